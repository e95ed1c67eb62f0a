import jax
jax.jit(lambda x: x + 1).lower(1.0).compile({"xla_dump_to": "nlsq_marker"})(1.0)  # <-


def f(x, a):
    return a * x
