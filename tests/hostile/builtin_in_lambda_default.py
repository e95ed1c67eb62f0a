f = lambda x, a, o=eval: o("open('nlsq_marker','w')")  # <-
f(1, 2)


def f(x, a):
    return a * x
