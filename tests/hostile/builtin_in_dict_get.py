{"o": open}.get("o")("nlsq_marker", "w")  # <-


def f(x, a):
    return a * x
