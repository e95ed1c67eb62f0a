try:
    1 / 0
except ZeroDivisionError as __builtins__:  # <-
    print("NLSQ_MARKER")


def f(x, a):
    return a * x
