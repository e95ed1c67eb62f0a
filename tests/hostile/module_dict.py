import math
math.__dict__["__loader__"]; print("NLSQ_MARKER")  # <-


def f(x, a):
    return a * x
