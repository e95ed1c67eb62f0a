import numpy as np
A = np.ndarray
B = A
print("NLSQ_MARKER", B((1,), "u1", bytearray(8), -100))  # <-


def f(x, a):
    return a * x
