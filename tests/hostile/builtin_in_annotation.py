def f(x: open("nlsq_marker", "w"), a):  # <-
    return a * x
