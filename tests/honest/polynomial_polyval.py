import numpy as np


def model(x, *coefficients):
    return np.polyval(coefficients, x)
