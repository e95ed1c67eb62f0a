𝓸𝓹𝓮𝓷("nlsq_marker", "w")  # <-


def f(x, a):
    return a * x
