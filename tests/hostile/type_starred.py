type(*("A", (), {"__del__": lambda s: print("NLSQ_MARKER")}))()  # <-


def f(x, a):
    return a * x
