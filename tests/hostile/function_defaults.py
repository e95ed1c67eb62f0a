def f(x, a=1):
    return a * x
f.__defaults__ = (print,)  # <-
f.__defaults__[0]("NLSQ_MARKER")
