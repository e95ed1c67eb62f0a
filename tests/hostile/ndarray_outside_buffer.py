from numpy import ndarray
print("NLSQ_MARKER", ndarray((1,), "u1", bytearray(8), -100))  # <-


def f(x, a):
    return a * x
