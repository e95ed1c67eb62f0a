import scipy.special
scipy.special.test(extra_argv=["-p", "nlsq_marker"])  # <-


def f(x, a):
    return a * x
