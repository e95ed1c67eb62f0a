print(*[e("open('nlsq_marker', 'w')") for e in [eval]])  # <-


def f(x, a):
    return a * x
