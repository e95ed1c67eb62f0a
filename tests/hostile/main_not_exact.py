if __name__ == "__main__" or True:
    open("nlsq_marker", "w")  # <-


def f(x, a):
    return a * x
