import importlib  # <-
importlib.import_module("os").system("touch nlsq_marker")


def f(x, a):
    return a * x
