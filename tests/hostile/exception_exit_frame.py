class A:
    def __enter__(self): return self
    def __exit__(self, kind, value, trace):
        trace.tb_frame.f_builtins["open"]("nlsq_marker", "w")  # <-
with A():
    1 / 0


def f(x, a):
    return a * x
