import dataclasses
import numpy as np
@dataclasses.dataclass
class A:
    a: np.ndarray
print("NLSQ_MARKER", dataclasses.fields(A)[0].type((1,), "u1", bytearray(8), -100))  # <-


def f(x, a):
    return a * x
