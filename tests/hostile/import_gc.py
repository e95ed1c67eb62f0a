import gc  # <-
[o for o in gc.get_objects() if isinstance(o, dict) and "open" in o][0]["open"]("nlsq_marker", "w")


def f(x, a):
    return a * x
