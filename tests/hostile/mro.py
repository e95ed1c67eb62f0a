print("NLSQ_MARKER", int.mro())  # <-


def f(x, a):
    return a * x
