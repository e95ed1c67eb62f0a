@exec  # <-
@eval
class A: pass


def f(x, a):
    return a * x
