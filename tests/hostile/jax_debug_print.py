from jax.debug import print as p  # <-
p("{x.__class__} NLSQ_MARKER", x=1)


def f(x, a):
    return a * x
