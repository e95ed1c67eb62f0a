class A:
    __array_interface__ = {"data": (0, False), "shape": (9,), "typestr": "|u1", "version": 3}  # <-
print("NLSQ_MARKER")


def f(x, a):
    return a * x
