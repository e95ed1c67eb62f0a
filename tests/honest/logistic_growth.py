import numpy as np


def model(t, K, r, t0):
    return K / (1.0 + np.exp(-r * (t - t0)))
