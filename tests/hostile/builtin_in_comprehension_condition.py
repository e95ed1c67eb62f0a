[0 for _ in range(1) if open("nlsq_marker", "w")]  # <-


def f(x, a):
    return a * x
