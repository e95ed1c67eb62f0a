class A:
    def __eq__(self, kind): kind("B", (), {"__del__": lambda s: print("NLSQ_MARKER")})()
type(int) == A()  # <-


def f(x, a):
    return a * x
