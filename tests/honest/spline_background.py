import numpy as np
from scipy.interpolate import CubicSpline

knots = np.array([0.0, 2.5, 5.0, 7.5, 10.0])
spline = CubicSpline(knots, np.cos(knots))


def model(x, a, b):
    return a * spline(x) + b
