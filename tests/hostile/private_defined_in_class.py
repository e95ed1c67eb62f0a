class A:
    _construct_argparser = 1  # <-
print("NLSQ_MARKER")


def f(x, a):
    return a * x
