import operator
import numpy as np
operator.methodcaller("tofile", "nlsq_marker")(np.zeros(1))  # <-


def f(x, a):
    return a * x
