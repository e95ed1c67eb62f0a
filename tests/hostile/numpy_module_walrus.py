import numpy as np
(m := np).savetxt("nlsq_marker", [1])  # <-


def f(x, a):
    return a * x
