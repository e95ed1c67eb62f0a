@print
@str
@open  # <-
def nlsq_marker(): pass


def f(x, a):
    return a * x
