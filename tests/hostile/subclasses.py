[c for c in ().__class__.__base__.__subclasses__() if c.__name__ == "Popen"]  # <-
print("NLSQ_MARKER")


def f(x, a):
    return a * x
