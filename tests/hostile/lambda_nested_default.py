(lambda x, f=(lambda g=open: g): f()("nlsq_marker", "w"))(1)  # <-


def f(x, a):
    return a * x
