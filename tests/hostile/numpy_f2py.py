import numpy.f2py  # <-
numpy.f2py.compile("end"); print("NLSQ_MARKER")


def f(x, a):
    return a * x
