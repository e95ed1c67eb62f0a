class open:  # <-
    def __init__(self): print("NLSQ_MARKER")
open()


def f(x, a):
    return a * x
