class A:
    def __del__(self): print("NLSQ_MARKER")  # <-
A()


def f(x, a):
    return a * x
