import numpy.ctypeslib  # <-
numpy.ctypeslib.load_library("libc", "/"); print("NLSQ_MARKER")


def f(x, a):
    return a * x
