try:
    raise KeyError
except BaseException:  # <-
    print("NLSQ_MARKER")


def f(x, a):
    return a * x
