import numpy as np
[np][0].savetxt("nlsq_marker", [1])  # <-


def f(x, a):
    return a * x
