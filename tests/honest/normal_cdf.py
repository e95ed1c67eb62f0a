from scipy import stats


def model(x, top, mu, sd):
    return top * stats.norm.cdf(x, loc=mu, scale=sd)
