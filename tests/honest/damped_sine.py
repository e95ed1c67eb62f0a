import numpy as np

TWO_PI = 2 * np.pi


def model(t, a, f, phi, tau):
    return a * np.sin(TWO_PI * f * t + phi) * np.exp(-t / tau)
