if __name__ != "__main__":
    open("nlsq_marker", "w")  # <-


def f(x, a):
    return a * x
