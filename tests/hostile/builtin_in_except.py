try:
    1 / 0
except open("nlsq_marker", "w"):  # <-
    pass


def f(x, a):
    return a * x
