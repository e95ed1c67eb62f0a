for _ in open("nlsq_marker", "w+"):  # <-
    pass


def f(x, a):
    return a * x
