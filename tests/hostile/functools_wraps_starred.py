import functools
def f(): pass
functools.wraps(*(f, ("__globals__",)))(f)  # <-
print("NLSQ_MARKER")
