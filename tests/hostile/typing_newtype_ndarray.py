from typing import NewType
import numpy as np
print("NLSQ_MARKER", NewType("N", np.ndarray).__supertype__)  # <-


def f(x, a):
    return a * x
