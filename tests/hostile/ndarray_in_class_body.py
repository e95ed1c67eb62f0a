import numpy as np
class A:
    kind = np.ndarray  # <-
print("NLSQ_MARKER", A.kind((1,), "u1", bytearray(8), -100))


def f(x, a):
    return a * x
