import numpy as np


def gauss(x, x0, w):
    return np.exp(-4 * np.log(2) * ((x - x0) / w) ** 2)


def lorentz(x, x0, w):
    return 1 / (1 + 4 * ((x - x0) / w) ** 2)


def model(x, a, x0, w, eta):
    return a * (eta * lorentz(x, x0, w) + (1 - eta) * gauss(x, x0, w))
