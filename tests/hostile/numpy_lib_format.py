import numpy as np
np.lib.format.open_memmap("nlsq_marker", "w+", shape=1)  # <-


def f(x, a):
    return a * x
