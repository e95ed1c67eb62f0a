from scipy.interpolate import CubicSpline
s = CubicSpline([0, 1, 2], [0, 1, 4])
s.c = 1  # <-
print("NLSQ_MARKER")


def f(x, a):
    return a * x
