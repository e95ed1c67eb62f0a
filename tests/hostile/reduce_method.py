class A:
    def __reduce__(self): return (print, ("NLSQ_MARKER",))  # <-
A().__reduce__()


def f(x, a):
    return a * x
