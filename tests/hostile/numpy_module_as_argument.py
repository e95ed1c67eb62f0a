import numpy as np
def g(m): m.savetxt("nlsq_marker", [1])
g(np)  # <-


def f(x, a):
    return a * x
