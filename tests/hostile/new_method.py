class A:
    def __new__(cls): print("NLSQ_MARKER")  # <-
A()


def f(x, a):
    return a * x
