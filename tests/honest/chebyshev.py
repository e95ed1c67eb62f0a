from numpy.polynomial import chebyshev


def model(x, c0, c1, c2):
    return chebyshev.chebval(x / 10, [c0, c1, c2])
