import jax.ffi  # <-
jax.ffi.register_ffi_target("x", print); print("NLSQ_MARKER")


def f(x, a):
    return a * x
