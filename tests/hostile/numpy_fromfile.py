import numpy as np
np.fromfile("/etc/hostname", "u1"); print("NLSQ_MARKER")  # <-


def f(x, a):
    return a * x
