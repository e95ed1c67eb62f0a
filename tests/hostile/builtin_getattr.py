import numpy as np
getattr(np.zeros(1), "tofile")("nlsq_marker")  # <-


def f(x, a):
    return a * x
