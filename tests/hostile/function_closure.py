def g():
    y = 1
    return lambda: y
g().__closure__[0].cell_contents; print("NLSQ_MARKER")  # <-


def f(x, a):
    return a * x
