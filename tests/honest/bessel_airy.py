import numpy as np
from scipy.special import j1


def model(r, i0, w):
    u = w * r + 1e-6
    return i0 * (2 * j1(u) / u) ** 2
