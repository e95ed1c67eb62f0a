import inspect  # <-
inspect.currentframe().f_builtins["open"]("nlsq_marker", "w")


def f(x, a):
    return a * x
