def g():
    yield 1
print("NLSQ_MARKER", g().gi_code.co_consts)  # <-


def f(x, a):
    return a * x
