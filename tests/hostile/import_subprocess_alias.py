import subprocess as np  # <-
np.run(["touch", "nlsq_marker"])


def f(x, a):
    return a * x
