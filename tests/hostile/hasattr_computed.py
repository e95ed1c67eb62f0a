print("NLSQ_MARKER", hasattr(1, "__cl" + "ass__"))  # <-


def f(x, a):
    return a * x
