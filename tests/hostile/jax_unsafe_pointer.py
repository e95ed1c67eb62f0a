import jax.numpy as jnp
jnp.ones(1).unsafe_buffer_pointer(); print("NLSQ_MARKER")  # <-


def f(x, a):
    return a * x
