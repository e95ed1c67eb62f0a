class A:
    def __instancecheck__(self, other): return True  # <-
print("NLSQ_MARKER")


def f(x, a):
    return a * x
