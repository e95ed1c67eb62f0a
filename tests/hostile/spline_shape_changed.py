from scipy.interpolate import BSpline
import numpy as np
s = BSpline(np.arange(9.0), np.ones(5), 3)
s.c.shape = (1, 5)  # <-
print("NLSQ_MARKER")


def f(x, a):
    return a * x
