import numpy as np


def model(x, a1, c1, w1, a2, c2, w2, offset):
    y = np.full_like(x, offset, dtype=float)
    for a, c, w in ((a1, c1, w1), (a2, c2, w2)):
        y = y + a * np.exp(-0.5 * ((x - c) / w) ** 2)
    return y
