from numpy import savetxt as exp  # <-
exp("nlsq_marker", [1])


def f(x, a):
    return a * x
