from jax._src import xla_bridge  # <-
print("NLSQ_MARKER")


def f(x, a):
    return a * x
