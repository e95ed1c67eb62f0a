def f(x, a) return open("nlsq_marker", "w")  # <-
