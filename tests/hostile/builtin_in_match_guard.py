match 1:
    case x if open("nlsq_marker", "w"):  # <-
        pass


def f(x, a):
    return a * x
