"""How a function becomes a compiled program, and the cache of programs in this process."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax

from nlsq.caching.disk import Program
from nlsq.caching.unified_cache import UnifiedCache

cache = UnifiedCache("programs", maxsize=128)


def compiled(f: Callable, unrolled: bool = False) -> Callable:
    """`jax.jit` with our disk cache and, on the CPU, options of XLA's.

    unrolled: much of it is straight code on vectors of some hundred numbers. LLVM's first level of
    optimisation compiles such in 0.6 of the time, and what it makes takes 1.02 times as long; a
    pass over 10^6 points would take 1.5 times as long.

    Vectors as wide as the processor's, where XLA stops at 256 bits: with AVX-512 a pass takes 0.7
    to 0.8 of the time. And without JAX 0.10's fusion emitters, with which a fit's program takes 2.1
    times as long to compile (3.7 s of CPU against 1.8 s) and a pass over 10^6 points 1.8 times as
    long; JAX 0.12 has neither the option nor the old emitters.
    """
    options: dict[str, Any] = {}
    if jax.default_backend() == "cpu" and jax.__version_info__ < (0, 13):  # as far as is known
        options["xla_cpu_prefer_vector_width"] = 512
        if unrolled:
            options["xla_backend_optimization_level"] = 1
        if jax.__version_info__ < (0, 11):
            options["xla_cpu_use_fusion_emitters"] = False
    return Program(jax.jit(f, compiler_options=options))
