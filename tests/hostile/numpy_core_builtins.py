import numpy as np
np.ma.core.builtins.open("nlsq_marker", "w")  # <-


def f(x, a):
    return a * x
