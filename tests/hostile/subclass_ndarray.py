import numpy as np
class A(np.ndarray):  # <-
    def g(self): return self._x
print("NLSQ_MARKER")


def f(x, a):
    return a * x
