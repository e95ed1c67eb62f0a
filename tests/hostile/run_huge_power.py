# runs: time
def f(x, a):
    return 9 ** 9 ** 9 % 7
