match (1 for _ in [1]):
    case object(gi_frame=frame):  # <-
        frame.f_builtins["open"]("nlsq_marker", "w")


def f(x, a):
    return a * x
