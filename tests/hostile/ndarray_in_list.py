import numpy as np
print("NLSQ_MARKER", [np.ndarray][0]((1,), "u1", bytearray(8), -100))  # <-


def f(x, a):
    return a * x
