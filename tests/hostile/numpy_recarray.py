import numpy as np
np.zeros(1, [("__array_interface__", "O")]).view(np.recarray)  # <-
print("NLSQ_MARKER")


def f(x, a):
    return a * x
