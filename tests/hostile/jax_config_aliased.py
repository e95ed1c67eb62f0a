from jax import config
u = config.update  # <-
u("jax_dump_ir_to", "nlsq_marker")


def f(x, a):
    return a * x
