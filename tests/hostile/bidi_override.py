x = 1  # ‮⁦ # <-
print("NLSQ_MARKER")


def f(x, a):
    return a * x
