match 1:
    case object(__class__=c):  # <-
        print("NLSQ_MARKER", c)


def f(x, a):
    return a * x
