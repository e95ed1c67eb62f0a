import numpy as np


def model(x, a, b, c):
    return a * np.sin(x) + b * np.hypot(x, c)
