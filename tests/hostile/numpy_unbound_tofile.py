import numpy as np
np.ndarray.tofile(np.zeros(1), "nlsq_marker")  # <-


def f(x, a):
    return a * x
