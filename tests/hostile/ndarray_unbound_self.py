import numpy as np
np.ndarray.tofile; print("NLSQ_MARKER")  # <-


def f(x, a):
    return a * x
