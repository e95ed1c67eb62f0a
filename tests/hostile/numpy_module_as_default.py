import numpy as np
def f(x, a, m=np): m.savetxt("nlsq_marker", [1])  # <-
f(1, 2)
