__build_class__(lambda: print("NLSQ_MARKER"), "A")  # <-


def f(x, a):
    return a * x
