a = 1

eval("open('nlsq_marker', 'w')")  # <-


def f(x, a):
    return a * x
