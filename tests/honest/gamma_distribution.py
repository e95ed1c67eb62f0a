from scipy.stats import gamma


def model(x, a, shape, scale):
    return a * gamma.pdf(x + 0.1, shape, scale=scale)
