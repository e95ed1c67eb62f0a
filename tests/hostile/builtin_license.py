license._Printer__filenames = ["/etc/hostname"]  # <-
print("NLSQ_MARKER", license)


def f(x, a):
    return a * x
