from __future__ import barry_as_FLUFL  # <-
print("NLSQ_MARKER")


def f(x, a):
    return a * x
