with open("nlsq_marker", "w") as file:  # <-
    file.write("x")


def f(x, a):
    return a * x
