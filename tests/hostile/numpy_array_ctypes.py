import numpy as np
np.zeros(1).ctypes.data; print("NLSQ_MARKER")  # <-


def f(x, a):
    return a * x
