class A:
    __match_args__ = ("__class__",)  # <-
match A():
    case A(c):
        print("NLSQ_MARKER", c)


def f(x, a):
    return a * x
