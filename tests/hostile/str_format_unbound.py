print(str.format("{0.__class__} NLSQ_MARKER", 1))  # <-


def f(x, a):
    return a * x
