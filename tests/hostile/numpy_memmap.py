import numpy as np
np.memmap("nlsq_marker", mode="w+", shape=1)  # <-


def f(x, a):
    return a * x
