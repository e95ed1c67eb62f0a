match open("nlsq_marker", "w"):  # <-
    case _:
        pass


def f(x, a):
    return a * x
