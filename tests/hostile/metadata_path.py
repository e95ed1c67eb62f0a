__path__ = ["/tmp"]  # <-
print("NLSQ_MARKER")


def f(x, a):
    return a * x
