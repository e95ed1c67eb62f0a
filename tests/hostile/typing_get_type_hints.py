import typing
def f(x: "open('nlsq_marker', 'w')"): pass
typing.get_type_hints(f)  # <-
