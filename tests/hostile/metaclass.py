class Meta(type):  # <-
    def __call__(cls): print("NLSQ_MARKER")
class A(metaclass=Meta): pass
A()


def f(x, a):
    return a * x
