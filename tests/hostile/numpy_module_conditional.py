import numpy as np
(np if True else 0).savetxt("nlsq_marker", [1])  # <-


def f(x, a):
    return a * x
