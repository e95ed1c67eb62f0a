import scipy.io as sio  # <-
sio.savemat("nlsq_marker", {})


def f(x, a):
    return a * x
