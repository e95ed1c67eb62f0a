print("NLSQ_MARKER", dir())  # <-


def f(x, a):
    return a * x
