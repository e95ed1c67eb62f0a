class A:
    def __class_getitem__(cls, k): print("NLSQ_MARKER")  # <-
A[1]


def f(x, a):
    return a * x
