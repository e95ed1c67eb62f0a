from numba import njit  # <-
print("NLSQ_MARKER")


def f(x, a):
    return a * x
