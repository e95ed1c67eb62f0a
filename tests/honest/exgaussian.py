import numpy as np
from scipy import special


def model(t, a, mu, sigma, lam):
    arg = lam / 2 * (2 * mu + lam * sigma**2 - 2 * t)
    return a * lam / 2 * np.exp(arg) * special.erfc((mu + lam * sigma**2 - t) / (np.sqrt(2) * sigma))
