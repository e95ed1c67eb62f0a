import numpy as np
def g(): return np  # <-
g().savetxt("nlsq_marker", [1])


def f(x, a):
    return a * x
