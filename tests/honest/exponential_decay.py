import numpy as np


def model(t, amplitude, tau, offset):
    """Single exponential decay."""
    return amplitude * np.exp(-t / tau) + offset
