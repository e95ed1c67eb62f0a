async def c():  # <-
    pass
c().cr_frame.f_builtins["open"]("nlsq_marker", "w")


def f(x, a):
    return a * x
