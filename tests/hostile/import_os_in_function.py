def f(x, a):
    import os  # <-
    os.system("touch nlsq_marker")
    return a * x
