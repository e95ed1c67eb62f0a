"""What a confined child compiled, kept for the next child that runs the same file.

The child touches no file. It hands over its programs as bytes, which are kept here unread under a
hash of the file and are given only to a child behind the same walls that runs the same file: who
forges them forges his own. They are never loaded in this process, nor in one that is not confined.
"""

from __future__ import annotations

import hashlib
import os
import platform
import sys
import tempfile
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path

import platformdirs

import nlsq
from nlsq.config import env_flag

MOST = 1 << 24  # bytes of one file's programs
_FILES = 64  # files whose programs are kept
_CHECKSUM = 32


class Programs:
    """The programs of one file.

    Parameters
    ----------
    file : path
        The stranger's file.
    walls : str
        What tells one way of confining from another.
    """

    def __init__(self, file: str | os.PathLike, walls: str = ""):
        self._file, self._walls = file, walls
        self._path = self._place()

    def _place(self) -> Path | None:
        """Where they are kept; None where nothing is."""
        if env_flag("NLSQ_DISABLE_PERSISTENT_CACHE"):
            return None
        facts = [nlsq.__version__, sys.version, platform.machine(), self._walls]
        facts += [version(name) for name in ("jax", "jaxlib", "numpy")]
        try:
            digest = hashlib.sha256(Path(self._file).read_bytes())
        except OSError:  # who runs it says so
            return None
        digest.update("\0".join(facts).encode())
        return Path(platformdirs.user_cache_dir("nlsq"), "confined", digest.hexdigest())

    def load(self) -> bytes:
        """What was kept last; empty where nothing was, or it is damaged."""
        if self._path is None:
            return b""
        try:
            content = self._path.read_bytes()
        except OSError:
            return b""
        kept = content[_CHECKSUM:]
        return kept if hashlib.sha256(kept).digest() == content[:_CHECKSUM] else b""

    def save(self, programs: bytes) -> None:
        """Keep these, whole or not at all; a disk that is full or read-only is no error."""
        if self._path is None or len(programs) > MOST or self._place() != self._path:
            return  # the file may have changed meanwhile
        folder = self._path.parent
        try:
            folder.mkdir(parents=True, exist_ok=True)
            handle, temporary = tempfile.mkstemp(dir=folder)
        except OSError:
            return
        try:
            with open(handle, "wb") as file:
                file.write(hashlib.sha256(programs).digest() + programs)
            os.replace(temporary, self._path)
            _prune(folder)
        except OSError:
            Path(temporary).unlink(missing_ok=True)


def _prune(folder: Path) -> None:
    """Remove what was written longest ago."""
    with suppress(OSError):  # another process removes them too
        files = sorted(folder.iterdir(), key=lambda path: path.stat().st_mtime, reverse=True)
        for path in files[_FILES:]:
            path.unlink()
