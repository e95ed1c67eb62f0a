print(f"{eval('1')=} NLSQ_MARKER")  # <-


def f(x, a):
    return a * x
