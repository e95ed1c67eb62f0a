__ｉmport__("os").system("touch nlsq_marker")  # <-


def f(x, a):
    return a * x
