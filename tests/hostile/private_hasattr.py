class A: pass
print("NLSQ_MARKER", hasattr(A(), "_x"))  # <-


def f(x, a):
    return a * x
