class A:
    p = property(lambda self: open("nlsq_marker", "w"))  # <-
A().p


def f(x, a):
    return a * x
