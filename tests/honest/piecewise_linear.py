import numpy as np


def model(x, x0, y0, k1, k2):
    return np.piecewise(
        x, [x < x0, x >= x0], [lambda x: y0 + k1 * (x - x0), lambda x: y0 + k2 * (x - x0)]
    )
