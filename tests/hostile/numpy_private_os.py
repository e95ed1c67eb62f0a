import numpy as np
np.random._pickle.os; print("NLSQ_MARKER")  # <-


def f(x, a):
    return a * x
