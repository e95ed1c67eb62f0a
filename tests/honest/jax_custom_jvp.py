import jax
import jax.numpy as jnp


@jax.custom_jvp
def softabs(x):
    return jnp.sqrt(x**2 + 1e-6)


@softabs.defjvp
def _(primals, tangents):
    (x,), (t,) = primals, tangents
    return softabs(x), x / softabs(x) * t


def model(x, a, c):
    return a * softabs(x - c)
