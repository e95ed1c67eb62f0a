import jax.experimental.host_callback as hcb  # <-
hcb.call(print, "NLSQ_MARKER")


def f(x, a):
    return a * x
