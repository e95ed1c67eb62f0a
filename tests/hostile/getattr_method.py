class A:
    def __getattr__(self, name): print("NLSQ_MARKER")  # <-
A().x


def f(x, a):
    return a * x
