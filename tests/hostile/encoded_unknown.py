# coding: nonesuch
open('nlsq_marker', 'w')
