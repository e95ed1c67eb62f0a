import numpy as np
np.exp = print  # <-
np.exp("NLSQ_MARKER")


def f(x, a):
    return a * x
