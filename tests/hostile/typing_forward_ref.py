from typing import ForwardRef  # <-
ForwardRef("open('nlsq_marker', 'w')")._evaluate({}, {}, frozenset())


def f(x, a):
    return a * x
