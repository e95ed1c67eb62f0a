exit()  # <-


def f(x, a):
    return a * x
