def g(self): return self.__globals__  # <-
g(g)["__builtins__"]["open"]("nlsq_marker", "w")


def f(x, a):
    return a * x
