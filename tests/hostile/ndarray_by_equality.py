import numpy as np
class A:
    def __eq__(self, kind): print("NLSQ_MARKER", kind((1,), "u1", bytearray(8), -100))
A() == np.ndarray  # <-


def f(x, a):
    return a * x
