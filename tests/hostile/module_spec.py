import numpy as np
np.__spec__.loader.set_data("nlsq_marker", b"x")  # <-


def f(x, a):
    return a * x
