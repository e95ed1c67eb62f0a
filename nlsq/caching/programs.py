"""How a function becomes a compiled program, and the cache of programs in this process."""

from __future__ import annotations

from collections.abc import Callable

import jax

from nlsq.caching.disk import Program
from nlsq.caching.unified_cache import UnifiedCache
from nlsq.xla import compiler_options

cache = UnifiedCache("programs", maxsize=128)


def compiled(f: Callable, unrolled: bool = False) -> Callable:
    """`jax.jit` with our disk cache and `xla.compiler_options`."""
    return Program(jax.jit(f, compiler_options=compiler_options(unrolled), keep_unused=True))
