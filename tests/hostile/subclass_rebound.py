from abc import ABC
import numpy as np
ABC = np.ndarray
class A(ABC): pass  # <-
print("NLSQ_MARKER")


def f(x, a):
    return a * x
