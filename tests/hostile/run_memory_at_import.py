# runs: memory
BIG = [0] * 10**11


def f(x, a):
    return a * x
