# coding: raw_unicode_escape
# \u000aopen('nlsq_marker', 'w')
def f(x, a): return a * x
