import numpy as np
np.load("nlsq_marker.npy", allow_pickle=True)  # <-


def f(x, a):
    return a * x
