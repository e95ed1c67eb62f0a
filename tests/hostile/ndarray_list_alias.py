import numpy as np
kinds = [np.ndarray]
print("NLSQ_MARKER", kinds[0]((1,), "u1", bytearray(8), -100))  # <-


def f(x, a):
    return a * x
