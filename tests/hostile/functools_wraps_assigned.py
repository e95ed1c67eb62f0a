import functools
def f(): pass
def g(): pass
functools.wraps(f, assigned=("__globals__",))(g)  # <-
print("NLSQ_MARKER")
