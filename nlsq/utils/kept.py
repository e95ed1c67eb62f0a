"""Compiled programs in the memory of a process that may touch no file, for one that may."""

from __future__ import annotations

import struct

_LENGTHS = struct.Struct("<II")


class Kept:
    """Programs by their names; JAX's cache calls `get` and `put`.

    Parameters
    ----------
    packed : bytes
        What `packed` of another process returned; what is no such thing holds no programs.

    Attributes
    ----------
    grown : bool
        Whether there are others than at first.
    """

    _path = "memory"

    def __init__(self, packed: bytes):
        self._programs: dict[str, bytes] = {}
        self.grown, at = False, 0
        while at + _LENGTHS.size <= len(packed):
            name, code = _LENGTHS.unpack_from(packed, at)
            at += _LENGTHS.size
            word = packed[at : at + name].decode("ascii", "replace")
            self._programs[word] = packed[at + name : at + name + code]
            at += name + code

    def get(self, name: str) -> bytes | None:
        """The program of this name."""
        return self._programs.get(name)

    def put(self, name: str, program: bytes) -> None:
        """Keep a program."""
        self._programs[name] = program
        self.grown = True

    def packed(self) -> bytes:
        """All of them."""
        parts = [(name.encode("ascii"), code) for name, code in self._programs.items()]
        return b"".join(_LENGTHS.pack(len(n), len(c)) + n + c for n, c in parts)


_kept: Kept | None = None


def keep_in_memory(packed: bytes) -> Kept:
    """From now on programs are kept in memory, beside those in `packed`."""
    global _kept
    _kept = Kept(packed)
    return _kept


def in_memory() -> Kept | None:
    """Where a process that may touch no file keeps its programs."""
    return _kept
