import numpy as np
def swap(cls): return np.ndarray
@swap  # <-
class A: pass
class B(A): pass
print("NLSQ_MARKER")


def f(x, a):
    return a * x
