from operator import attrgetter  # <-
print("NLSQ_MARKER", attrgetter("__class__.__base__")(1))


def f(x, a):
    return a * x
