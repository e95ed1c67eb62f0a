from ..security import helper as h  # <-
print("NLSQ_MARKER")


def f(x, a):
    return a * x
