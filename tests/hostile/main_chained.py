if "nlsq" != __name__ == "__main__" or 1:
    open("nlsq_marker", "w")  # <-


def f(x, a):
    return a * x
