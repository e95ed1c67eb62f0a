import numpy as np
np.lib.npyio.DataSource().open("nlsq_marker", "w")  # <-


def f(x, a):
    return a * x
