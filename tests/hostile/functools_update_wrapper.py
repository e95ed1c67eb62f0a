import functools
functools.update_wrapper(print, len)  # <-
print("NLSQ_MARKER")


def f(x, a):
    return a * x
