code = compile("open('nlsq_marker', 'w')", "", "exec")  # <-
exec(code)


def f(x, a):
    return a * x
