import numpy as np
m = np  # <-
m.savetxt("nlsq_marker", [1])


def f(x, a):
    return a * x
