__loader__.set_data("nlsq_marker", b"x")  # <-


def f(x, a):
    return a * x
