import numpy as np
b = bytearray(8)
print("NLSQ_MARKER", np.ndarray((1,), dtype="O", buffer=b))  # <-


def f(x, a):
    return a * x
