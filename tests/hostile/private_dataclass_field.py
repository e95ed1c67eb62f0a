from dataclasses import dataclass
@dataclass
class A:
    _x: int = 1  # <-
print("NLSQ_MARKER")


def f(x, a):
    return a * x
