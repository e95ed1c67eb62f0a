del {0: open("nlsq_marker", "w")}[0]  # <-


def f(x, a):
    return a * x
