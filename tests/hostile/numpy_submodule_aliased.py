import numpy as np
lib = np.linalg  # <-
lib.__loader__; print("NLSQ_MARKER")


def f(x, a):
    return a * x
