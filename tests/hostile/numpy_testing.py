import numpy as np
np.testing.runstring("print('NLSQ_MARKER')", {})  # <-


def f(x, a):
    return a * x
