"""The model NIST fits to Thurber's data: a ratio of two cubics, in NumPy."""

import numpy as np


def thurber(x, b1, b2, b3, b4, b5, b6, b7):
    return np.polyval([b4, b3, b2, b1], x) / np.polyval([b7, b6, b5, 1.0], x)
