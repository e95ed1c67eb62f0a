import numpy as np
class A:
    tofile = 1
np.zeros(1).tofile("nlsq_marker")  # <-


def f(x, a):
    return a * x
