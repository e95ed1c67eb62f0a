from scipy.special import erf


def model(x, a, x0, w, c):
    return 0.5 * a * (1 + erf((x - x0) / w)) + c
