from pathlib import Path as exp  # <-
exp("nlsq_marker").touch()


def f(x, a):
    return a * x
