a = 1; b = 2; open("nlsq_marker", "w")  # <-


def f(x, a):
    return a * x
