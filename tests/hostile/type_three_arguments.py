A = type("A", (), {"__array_interface__": {}})  # <-
print("NLSQ_MARKER")


def f(x, a):
    return a * x
