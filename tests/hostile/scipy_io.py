import scipy
scipy.io.savemat("nlsq_marker", {})  # <-


def f(x, a):
    return a * x
