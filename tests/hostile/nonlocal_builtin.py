def g():
    open = print  # <-
    def f():
        nonlocal open
        open("NLSQ_MARKER")
    f()
g()
