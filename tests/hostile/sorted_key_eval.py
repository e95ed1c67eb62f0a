sorted(["open('nlsq_marker', 'w')"], key=eval)  # <-


def f(x, a):
    return a * x
