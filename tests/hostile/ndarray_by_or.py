import numpy as np
class A:
    def __or__(self, kind): print("NLSQ_MARKER", kind((1,), "u1", bytearray(8), -100))
def f(x: A() | np.ndarray, a): return a * x  # <-
