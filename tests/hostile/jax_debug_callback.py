import jax
jax.debug.callback(lambda: print("NLSQ_MARKER"))  # <-


def f(x, a):
    return a * x
