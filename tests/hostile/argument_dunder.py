def f(__builtins__): __builtins__("NLSQ_MARKER")  # <-
f(print)
