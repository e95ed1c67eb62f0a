import numpy as np


def model(x, threshold, slope, base):
    return np.where(x > threshold, base + slope * (x - threshold), base)
