from collections import namedtuple
namedtuple("A", "x")._make([1]); print("NLSQ_MARKER")  # <-


def f(x, a):
    return a * x
