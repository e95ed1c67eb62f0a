g = (1 for _ in [1])
g.gi_frame.f_builtins["open"]("nlsq_marker", "w")  # <-


def f(x, a):
    return a * x
