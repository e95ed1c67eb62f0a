from jax.experimental import io_callback  # <-
io_callback(lambda: print("NLSQ_MARKER"), None)


def f(x, a):
    return a * x
