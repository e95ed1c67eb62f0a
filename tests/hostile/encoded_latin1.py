# coding: latin-1
# é
open('nlsq_marker', 'w')
