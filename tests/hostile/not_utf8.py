a = 1
# ÿş
open('nlsq_marker', 'w')
