[open][0]("nlsq_marker", "w")  # <-


def f(x, a):
    return a * x
