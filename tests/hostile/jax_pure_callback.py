import jax
jax.pure_callback(lambda: open("nlsq_marker", "w"), None)  # <-


def f(x, a):
    return a * x
