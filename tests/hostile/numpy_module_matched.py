import numpy as np
match np:  # <-
    case object(savetxt=s):
        s("nlsq_marker", [1])


def f(x, a):
    return a * x
