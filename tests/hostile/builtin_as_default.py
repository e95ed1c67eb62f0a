def f(x, a, o=open):  # <-
    o("nlsq_marker", "w")
    return a * x
f(1, 2)
