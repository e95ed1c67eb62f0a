import numpy as np


def model(x, a, b):
    y = a * np.exp(-b * x)
    spectrum = np.fft.rfft(y)
    spectrum = np.where(np.arange(spectrum.size) < 20, spectrum, 0)
    return np.fft.irfft(spectrum, n=x.size)
