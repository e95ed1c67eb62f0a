# runs: time
def f(x, a):
    while True:
        pass
