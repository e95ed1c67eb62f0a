def meta(name, bases, space): print("NLSQ_MARKER")
class A(metaclass=meta): pass  # <-


def f(x, a):
    return a * x
