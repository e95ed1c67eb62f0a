def super(): return print
super().__call__("NLSQ_MARKER")  # <-


def f(x, a):
    return a * x
