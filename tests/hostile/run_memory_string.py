# runs: memory
def f(x, a):
    return len("x" * 10**11)
