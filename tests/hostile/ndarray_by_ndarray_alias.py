import numpy.typing as npt
import numpy as np
print("NLSQ_MARKER", npt.NDArray[np.uint8]((1,), "u1", bytearray(8), -100))  # <-


def f(x, a):
    return a * x
