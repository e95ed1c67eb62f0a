import signal  # <-
signal.alarm(0); print("NLSQ_MARKER")


def f(x, a):
    return a * x
