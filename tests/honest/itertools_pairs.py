from itertools import combinations

import numpy as np

LEVELS = [0.0, 1.0, 2.5]


def model(x, a, g):
    lines = [hi - lo for lo, hi in combinations(LEVELS, 2)]
    return sum(a * g / ((x - e) ** 2 + g**2) for e in lines) / np.pi
