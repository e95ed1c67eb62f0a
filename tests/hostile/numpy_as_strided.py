from numpy.lib.stride_tricks import as_strided  # <-
as_strided([1], (10**9,)); print("NLSQ_MARKER")


def f(x, a):
    return a * x
