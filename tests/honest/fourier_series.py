import numpy as np


def model(t, a0, a1, b1, a2, b2):
    w = 2 * np.pi / 10
    terms = [a1 * np.cos(w * t), b1 * np.sin(w * t), a2 * np.cos(2 * w * t), b2 * np.sin(2 * w * t)]
    return a0 + np.sum(terms, axis=0)
