import jax
jax.config.update("jax_compilation_cache_dir", "nlsq_marker")  # <-


def f(x, a):
    return a * x
