import numpy as np


def model(f, r, c):
    w = 2 * np.pi * (f + 0.1)
    z = r + 1 / (1j * w * c)
    return np.abs(z)
