def f(x, a):
    if __name__ == "__main__":
        open("nlsq_marker", "w")  # <-
    return a * x
