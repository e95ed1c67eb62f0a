def g():
    yield from open("nlsq_marker", "w+")  # <-
list(g())


def f(x, a):
    return a * x
