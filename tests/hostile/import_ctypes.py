import ctypes  # <-
ctypes.CDLL(None).system(b"touch nlsq_marker")


def f(x, a):
    return a * x
