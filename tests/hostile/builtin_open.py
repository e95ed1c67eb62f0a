def f(x, a):
    open("nlsq_marker", "w")  # <-
    return a * x
