import numpy as np
from scipy.special import voigt_profile


def model(x, area, center, sigma, gamma):
    return area * voigt_profile(x - center, np.abs(sigma), np.abs(gamma))
