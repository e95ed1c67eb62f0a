import jax
import jax.numpy as jnp

U = jnp.linspace(0, 1, 33)


def one(x, a, b):
    return a * jnp.trapezoid(jnp.exp(-b * x * U**2), U)


def model(x, a, b):
    return jax.vmap(one, (0, None, None))(x, a, b)
