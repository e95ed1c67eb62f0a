# runs: memory
import numpy as np
def f(x, a):
    return np.ones(10**11).sum()
