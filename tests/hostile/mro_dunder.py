print("NLSQ_MARKER", int.__mro__[1])  # <-


def f(x, a):
    return a * x
