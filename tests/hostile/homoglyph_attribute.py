print("NLSQ_MARKER", ().__ｃlass__)  # <-


def f(x, a):
    return a * x
