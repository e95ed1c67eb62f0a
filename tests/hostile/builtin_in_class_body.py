class A:
    open("nlsq_marker", "w")  # <-


def f(x, a):
    return a * x
