from urllib.request import urlopen  # <-
urlopen("file:///etc/hostname"); print("NLSQ_MARKER")


def f(x, a):
    return a * x
