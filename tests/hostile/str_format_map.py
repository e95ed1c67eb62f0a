print("{x.__class__} NLSQ_MARKER".format_map({"x": 1}))  # <-


def f(x, a):
    return a * x
