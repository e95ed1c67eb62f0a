import numpy as np
np.random.default_rng()._bit_generator; print("NLSQ_MARKER")  # <-


def f(x, a):
    return a * x
