from nlsq.security.sandbox import call  # <-
call("os:system", {}); print("NLSQ_MARKER")


def f(x, a):
    return a * x
