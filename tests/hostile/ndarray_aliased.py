import numpy as np
Array = np.ndarray
print("NLSQ_MARKER", Array((1,), "u1", bytearray(8), -100))  # <-


def f(x, a):
    return a * x
