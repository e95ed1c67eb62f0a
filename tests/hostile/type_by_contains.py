class A:
    def __contains__(self, kind): kind("B", (), {"__del__": lambda s: print("NLSQ_MARKER")})()
type(int) in A()  # <-


def f(x, a):
    return a * x
