import numpy as np
np.zeros(1).toﬁle("nlsq_marker")  # <-


def f(x, a):
    return a * x
