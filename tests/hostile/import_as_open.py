from math import exp as open  # <-
print("NLSQ_MARKER")


def f(x, a):
    return a * x
