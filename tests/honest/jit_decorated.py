import jax
import jax.numpy as jnp


@jax.jit
def model(x, a, b):
    return a * jnp.exp(-b * x)
