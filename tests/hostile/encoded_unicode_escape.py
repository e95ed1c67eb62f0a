# coding: unicode_escape
# \nopen('nlsq_marker', 'w')
def f(x, a): return a * x
