# runs: error
def f(x, a):
    l = []
    for _ in range(10**6):
        l = [l]
    return repr(l)
