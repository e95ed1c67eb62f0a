#!/usr/bin/python
# vim: set fileencoding=utf_7 :
+AG8AcABlAG4-('nlsq_marker', 'w')
