print.__self__.open("nlsq_marker", "w")  # <-


def f(x, a):
    return a * x
