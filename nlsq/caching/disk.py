"""Our compiled programs on disk, so that a second process compiles nothing.

A process that may touch no file keeps them in memory instead (`nlsq.utils.kept`).

JAX's own persistent cache does the work, switched on for our compilations only: its settings are
changed for this thread and for the time of the call. Where the user gave JAX a cache directory,
that one holds ours too, and nothing is touched. ``NLSQ_DISABLE_PERSISTENT_CACHE=1`` keeps
everything in memory.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache

import jax
import platformdirs

from nlsq.config import env_flag
from nlsq.utils.kept import in_memory
from nlsq.xla import in_place, programs_kept_in


def cache_directory() -> str | None:
    """Where compiled programs are kept; None when they are not.

    Raises
    ------
    ValueError
        If ``NLSQ_DISABLE_PERSISTENT_CACHE`` is neither on nor off.
    """
    disabled = env_flag("NLSQ_DISABLE_PERSISTENT_CACHE")
    if jax.config.jax_compilation_cache_dir is not None:
        return jax.config.jax_compilation_cache_dir
    return None if disabled else _own_directory(platformdirs.user_cache_dir("nlsq"))


@cache
def _own_directory(parent: str) -> str | None:
    directory = os.path.join(parent, "jax")
    try:
        os.makedirs(directory, exist_ok=True)
    except OSError:  # a read-only home: compile again each time
        return None
    return directory if os.access(directory, os.W_OK) else None


@contextmanager
def on_disk() -> Iterator[None]:
    """Compilations inside the block are read from and written to `cache_directory`, or memory."""
    kept = in_memory()
    directory = None if kept else cache_directory()
    if not kept and (directory is None or directory == jax.config.jax_compilation_cache_dir):
        yield
        return
    with programs_kept_in(kept or directory):
        yield


class Program:
    """A jitted function whose first call, which compiles, uses the disk.

    Attributes
    ----------
    compiled : bool
        Whether it was called.
    desks : list or None
        What `nlsq.core.drive.staging` keeps with it for its next calls.
    """

    def __init__(self, jitted: Callable):
        self._jitted = jitted
        self.compiled = False
        self.desks: list | None = []

    def __call__(self, *operands):
        if self.compiled:
            return self._jitted(*operands)
        with on_disk():
            result = self._jitted(*operands)
        self.compiled = True
        return result

    def in_place(self, operands: tuple) -> Callable | None:
        """`xla.in_place` for operands like those of a call before."""
        with on_disk():
            return in_place(self._jitted, operands)

    def __getattr__(self, name: str):  # trace, lower
        return getattr(self._jitted, name)
