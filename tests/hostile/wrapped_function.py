import numpy as np
np.linalg.norm.__wrapped__.__globals__["functools"]; print("NLSQ_MARKER")  # <-


def f(x, a):
    return a * x
