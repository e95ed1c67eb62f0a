import numpy as np
a, b = np.ndarray, 1  # <-
print("NLSQ_MARKER", a((1,), "u1", bytearray(8), -100))


def f(x, a):
    return a * x
