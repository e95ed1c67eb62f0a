import numpy as np


def check(w):
    if np.ndim(w) > 0:
        raise ValueError(f"w must be a number, not an array of shape {np.shape(w)}")
    return w


def model(x, a, w):
    assert x is not None, "no data"
    return a / np.cosh(x / check(w))
