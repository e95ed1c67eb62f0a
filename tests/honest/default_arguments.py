import numpy as np


def model(x, a=1.0, b=2.0, *, power=2):
    return a * np.exp(-(np.abs(x / b) ** power))
