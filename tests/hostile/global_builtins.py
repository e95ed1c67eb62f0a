def f(x, a):
    global __builtins__  # <-
    __builtins__ = {"open": print}
    print("NLSQ_MARKER")
f(1, 2)
