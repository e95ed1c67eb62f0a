import functools
@functools.singledispatch  # <-
def f(x): pass
@f.register
def _(x: "open('nlsq_marker', 'w')"): pass
