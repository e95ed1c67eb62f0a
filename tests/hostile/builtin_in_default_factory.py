from dataclasses import dataclass, field
@dataclass
class P:
    a: object = field(default_factory=lambda: open("nlsq_marker", "w"))  # <-
P()


def f(x, a):
    return a * x
