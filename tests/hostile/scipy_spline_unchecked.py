from scipy.interpolate import BSpline
BSpline.construct_fast([0], [0], 3)(1); print("NLSQ_MARKER")  # <-


def f(x, a):
    return a * x
