import numpy as np
def g(): return np.ndarray  # <-
print("NLSQ_MARKER", g()((1,), "u1", bytearray(8), -100))


def f(x, a):
    return a * x
