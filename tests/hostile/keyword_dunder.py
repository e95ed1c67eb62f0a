dict(__builtins__=print)["__builtins__"]("NLSQ_MARKER")  # <-


def f(x, a):
    return a * x
