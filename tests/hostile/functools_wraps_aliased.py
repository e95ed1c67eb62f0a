import functools
w = functools.wraps  # <-
print("NLSQ_MARKER")


def f(x, a):
    return a * x
