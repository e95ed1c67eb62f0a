import numpy as np
from scipy import constants as const

h, c, k = const.h, const.c, const.k


def model(wavelength_um, scale, temperature):
    lam = (wavelength_um + 0.5) * 1e-6
    return scale * 1e-13 * 2 * h * c**2 / lam**5 / np.expm1(h * c / (lam * k * temperature * 3e3))
