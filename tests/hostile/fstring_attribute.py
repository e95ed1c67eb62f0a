print(f"{().__class__} NLSQ_MARKER")  # <-


def f(x, a):
    return a * x
