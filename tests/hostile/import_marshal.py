import marshal, types  # <-
print("NLSQ_MARKER", types.FunctionType(compile("1", "", "eval"), {})())


def f(x, a):
    return a * x
