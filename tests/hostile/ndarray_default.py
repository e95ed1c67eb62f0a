import numpy as np
def g(kind=np.ndarray): print("NLSQ_MARKER", kind((1,), "u1", bytearray(8), -100))  # <-
g()


def f(x, a):
    return a * x
