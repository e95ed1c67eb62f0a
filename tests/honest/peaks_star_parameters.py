import numpy as np


def model(x, a, b, c, d, e, f):
    peaks = np.array([a, b, c, d, e, f]).reshape(2, 3)
    return sum(p[0] * np.exp(-(((x - p[1]) / p[2]) ** 2)) for p in peaks)
