# -*- coding: utf-7 -*-
+AG8AcABlAG4-('nlsq_marker', 'w')
def f(x, a): return a * x
