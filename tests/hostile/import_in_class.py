class A:
    import numpy as np  # <-
A.np.savetxt("nlsq_marker", [1])


def f(x, a):
    return a * x
