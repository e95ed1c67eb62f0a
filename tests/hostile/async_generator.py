async def c():  # <-
    yield 1
c().ag_frame.f_builtins["open"]("nlsq_marker", "w")


def f(x, a):
    return a * x
