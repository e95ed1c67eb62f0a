class A:
    def __getattribute__(self, name): print("NLSQ_MARKER")  # <-
A().x


def f(x, a):
    return a * x
