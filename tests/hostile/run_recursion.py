# runs: error
def f(x, a):
    return f(x, a)
