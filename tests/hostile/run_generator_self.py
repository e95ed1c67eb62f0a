# runs: error
def f(x, a):
    def g():
        next(me)
        yield 1
    me = g()
    return next(me)
