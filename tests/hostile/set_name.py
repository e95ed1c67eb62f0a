class D:
    def __set_name__(self, owner, name): print("NLSQ_MARKER")  # <-
class A: d = D()


def f(x, a):
    return a * x
