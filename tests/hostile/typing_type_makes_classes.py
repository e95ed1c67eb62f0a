from typing import Type  # <-
Type[int]("A", (), {"__del__": lambda s: print("NLSQ_MARKER")})()


def f(x, a):
    return a * x
