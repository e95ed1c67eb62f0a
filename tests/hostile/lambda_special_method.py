class A:
    __getattr__ = lambda s, n: print("NLSQ_MARKER")  # <-
A().x


def f(x, a):
    return a * x
