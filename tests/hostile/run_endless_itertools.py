# runs: time
import itertools
def f(x, a):
    return sum(0 for _ in itertools.count())
