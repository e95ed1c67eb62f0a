import jax.numpy as jnp


def model(x, a, x0, gamma):
    return a * gamma**2 / ((x - x0) ** 2 + gamma**2) + 0 * jnp.sin(x)
