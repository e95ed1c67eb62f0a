def f(x, a):
    return a * x
f.__globals__["__builtins__"]["open"]("nlsq_marker", "w")  # <-
