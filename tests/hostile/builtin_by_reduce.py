from functools import reduce
reduce(open, ["nlsq_marker", "w"])  # <-


def f(x, a):
    return a * x
