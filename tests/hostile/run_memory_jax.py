# runs: memory
import jax.numpy as jnp
def f(x, a):
    return float(jnp.ones((10**6, 10**5)).sum())
