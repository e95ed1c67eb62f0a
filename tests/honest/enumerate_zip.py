import numpy as np

CENTERS = [1.0, 4.0, 7.0]
WEIGHTS = {"1.0": 1.0, "4.0": 0.5, "7.0": 0.25}


def model(x, a, w):
    y = np.zeros_like(x)
    for i, c in enumerate(CENTERS):
        y = y + a * WEIGHTS[str(c)] * np.exp(-(((x - c) / (w * (i + 1))) ** 2))
    return y
