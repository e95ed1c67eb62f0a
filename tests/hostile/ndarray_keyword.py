import numpy as np
print("NLSQ_MARKER", dict(k=np.ndarray)["k"]((1,), "u1", bytearray(8), -100))  # <-


def f(x, a):
    return a * x
