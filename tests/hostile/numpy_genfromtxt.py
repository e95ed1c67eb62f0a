import numpy as np
np.genfromtxt("/etc/hostname", dtype=str); print("NLSQ_MARKER")  # <-


def f(x, a):
    return a * x
