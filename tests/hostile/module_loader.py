import math
math.__loader__.load_module("os").system("touch nlsq_marker")  # <-


def f(x, a):
    return a * x
