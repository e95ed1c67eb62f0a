from numpy import exp, sqrt, pi


def model(x, area, center, sigma):
    return area / (sigma * sqrt(2 * pi)) * exp(-((x - center) ** 2) / (2 * sigma**2))
