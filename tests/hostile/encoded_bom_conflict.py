# coding: latin-1
open('nlsq_marker', 'w')
