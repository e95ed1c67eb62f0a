from scipy.stats import rv_continuous  # <-
rv_continuous(shapes="a"); print("NLSQ_MARKER")


def f(x, a):
    return a * x
