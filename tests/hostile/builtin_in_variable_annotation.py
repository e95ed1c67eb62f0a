y: open("nlsq_marker", "w") = 1  # <-


def f(x, a):
    return a * x
