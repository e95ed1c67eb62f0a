import numpy as np
np.zeros(1).tofile("nlsq_marker")  # <-


def f(x, a):
    return a * x
