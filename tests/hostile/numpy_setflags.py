import numpy as np
np.frombuffer(b"12345678").setflags(write=True)  # <-
print("NLSQ_MARKER")


def f(x, a):
    return a * x
