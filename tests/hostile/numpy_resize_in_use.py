import numpy as np
a = np.zeros(9); b = a.view(); a.resize(10**6, refcheck=False)  # <-
print("NLSQ_MARKER")


def f(x, a):
    return a * x
