import math as __builtins__  # <-
print("NLSQ_MARKER")


def f(x, a):
    return a * x
