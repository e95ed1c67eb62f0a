import numpy as np
from scipy.special import wofz

SQRT2 = np.sqrt(2)


def model(x, amp, cen, sig, gam):
    z = (x - cen + 1j * gam) / (sig * SQRT2)
    return amp * wofz(z).real / (sig * np.sqrt(2 * np.pi))
