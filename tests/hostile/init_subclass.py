class A:
    def __init_subclass__(cls): print("NLSQ_MARKER")  # <-
class B(A): pass


def f(x, a):
    return a * x
