import numpy as np
np.save("nlsq_marker", np.zeros(1))  # <-


def f(x, a):
    return a * x
