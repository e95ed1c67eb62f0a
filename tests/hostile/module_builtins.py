import numpy as np
np.linalg.__builtins__["open"]("nlsq_marker", "w")  # <-


def f(x, a):
    return a * x
