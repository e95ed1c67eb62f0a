from typing import Annotated
import numpy as np
print("NLSQ_MARKER", Annotated[np.ndarray, 1]((1,), "u1", bytearray(8), -100))  # <-


def f(x, a):
    return a * x
