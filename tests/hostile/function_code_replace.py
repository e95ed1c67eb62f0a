def f(x, a):
    return a * x
f.__code__ = f.__code__.replace(co_consts=(1,))  # <-
print("NLSQ_MARKER")
