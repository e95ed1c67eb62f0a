import numpy as np
for k in (np.ndarray, 1):  # <-
    print("NLSQ_MARKER", k((1,), "u1", bytearray(8), -100))


def f(x, a):
    return a * x
