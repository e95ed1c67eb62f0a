print("NLSQ_MARKER", __spec__.loader)  # <-


def f(x, a):
    return a * x
