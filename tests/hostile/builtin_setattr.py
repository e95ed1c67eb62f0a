class A: pass
setattr(A, "__getattr__", print)  # <-
print("NLSQ_MARKER")


def f(x, a):
    return a * x
