import numpy as np
def isinstance(a, kind): print("NLSQ_MARKER", kind((1,), "u1", bytearray(8), -100))
isinstance(1, np.ndarray)  # <-


def f(x, a):
    return a * x
