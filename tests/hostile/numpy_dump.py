import numpy as np
np.zeros(1).dump("nlsq_marker")  # <-


def f(x, a):
    return a * x
