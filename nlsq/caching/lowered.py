"""Functions that JAX has traced and lowered once, on disk: StableHLO in MLIR's byte code.

The step of the loop takes JAX 0.6 s to trace and lower, in every process and for every model,
though nothing of a model is in it. Its code is kept beside the compiled programs and put into each
program that calls it; what XLA makes of it is unchanged.

A file counts only if its checksum agrees. Its name is a hash of all that the code depends on: the
name and operands of the function, the sources, JAX's versions and settings. Whatever is amiss, the
function is traced as always. Code that calls a library is not kept, since to trace it registers the
library too.
"""

from __future__ import annotations

import functools
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import jax
import xxhash

from nlsq import xla
from nlsq.caching.disk import cache_directory
from nlsq.utils.kept import Kept, in_memory

_CHECKSUM = 16  # bytes


def lowered(f: Callable, name: str, sources: Path, *operands) -> Callable:
    """`f`, of arrays like `operands` to one like the first of them, from its code on disk.

    The folder `sources` holds all modules that `f` is made of, in folders of its own too; `name`
    says which function it is.
    """
    directory, text = in_memory() or cache_directory(), _digest(sources)
    if directory is None or text is None or jax.default_backend() != "cpu":
        return f
    if not xla.code_is_portable():
        return f
    forms = jax.tree.map(lambda a: jax.ShapeDtypeStruct(a.shape, a.dtype), operands)
    facts = name, repr(forms), text, *xla.code_depends_on()
    file = f"nlsq-{xxhash.xxh3_128_hexdigest(repr(facts).encode())}.mlir"
    code = _read(directory, file)
    if code is None:
        code = xla.code_of(f, *forms)
        if code is None:
            return f
        _write(directory, file, code)
    return lambda *operands: xla.call(code, *operands)


@functools.cache
def _digest(sources: Path) -> str | None:
    """Hash of the sources; None where they are not there to be read."""
    files = sorted(sources.rglob("*.py"))
    if not files:
        return None
    text = xxhash.xxh3_128()
    for file in (*files, Path(xla.__file__)):  # whose marks are in the code
        text.update(file.read_bytes())
    return text.hexdigest()


def _read(directory: str | Kept, name: str) -> bytes | None:
    if isinstance(directory, Kept):
        return directory.get(name)
    try:
        content = Path(directory, name).read_bytes()
    except OSError:
        return None
    code = content[_CHECKSUM:]
    return code if content[:_CHECKSUM] == xxhash.xxh3_128_digest(code) else None


def _write(directory: str | Kept, name: str, code: bytes) -> None:
    """Whole or not at all; a disk that is full or read-only is no error."""
    if isinstance(directory, Kept):
        directory.put(name, code)
        return
    try:
        handle, temporary = tempfile.mkstemp(dir=directory)
    except OSError:
        return
    try:
        with open(handle, "wb") as file:
            file.write(xxhash.xxh3_128_digest(code) + code)
        os.replace(temporary, Path(directory, name))
    except OSError:
        Path(temporary).unlink(missing_ok=True)
