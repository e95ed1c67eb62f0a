print("{0.__class__.__base__} NLSQ_MARKER".format(1))  # <-


def f(x, a):
    return a * x
