try:
    import jax.numpy as np
except ImportError:
    import numpy as np


def model(x, a, b):
    return a * np.exp(-b * x**2)
