from typing import Optional
Optional["open('nlsq_marker', 'w')"].__args__[0]._evaluate({}, {}, frozenset())  # <-


def f(x, a):
    return a * x
