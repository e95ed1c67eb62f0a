class A:
    def __array_ufunc__(self, *a, **k): print("NLSQ_MARKER")  # <-
1 + A()


def f(x, a):
    return a * x
