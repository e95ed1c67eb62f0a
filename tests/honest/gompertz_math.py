import math

import numpy as np

E = math.e


def model(t, a, b, c):
    return a * np.exp(-b * E ** (-c * t))
