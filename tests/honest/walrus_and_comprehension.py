import numpy as np


def model(x, a, b):
    if (n := len(x)) < 1:
        return x
    weights = [1 / (k + 1) for k in range(min(n, 4)) if k % 2 == 0]
    return sum(w * a * np.sin((i + 1) * b * x) for i, w in enumerate(weights))
