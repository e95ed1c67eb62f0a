class A:
    @classmethod
    def __prepare__(cls, *a): print("NLSQ_MARKER")  # <-
A.__prepare__()


def f(x, a):
    return a * x
