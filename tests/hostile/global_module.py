import numpy as np
def f(x, a):
    global np  # <-
    np = print
    np("NLSQ_MARKER")
f(1, 2)
