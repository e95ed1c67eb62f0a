import logging  # <-
logging.FileHandler("nlsq_marker")


def f(x, a):
    return a * x
