import jax
j = jax.jit  # <-
j(lambda x: x + 1, **{"compiler" + "_options": {"xla_dump_to": "nlsq_marker"}})(1.0)


def f(x, a):
    return a * x
