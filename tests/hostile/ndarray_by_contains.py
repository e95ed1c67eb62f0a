import numpy as np
class A:
    def __contains__(self, kind): print("NLSQ_MARKER", kind((1,), "u1", bytearray(8), -100))
np.ndarray in A()  # <-


def f(x, a):
    return a * x
