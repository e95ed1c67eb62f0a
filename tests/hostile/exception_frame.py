try:
    1 / 0
except ZeroDivisionError as error:
    error.__traceback__.tb_frame.f_builtins["open"]("nlsq_marker", "w")  # <-


def f(x, a):
    return a * x
