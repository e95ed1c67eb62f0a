from functools import lru_cache

import numpy as np


@lru_cache(maxsize=None)
def nodes(n):
    return np.polynomial.legendre.leggauss(n)


def model(x, a, b):
    u, w = nodes(8)
    return a * np.sum(w * np.exp(-b * x[:, None] * (u + 1) / 2), axis=1) / 2
