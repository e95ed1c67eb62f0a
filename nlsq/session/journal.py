"""The journal of a batch: what is done, so that one that was killed goes on where it was."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

from nlsq.session.errors import DataError
from nlsq.utils.atomic import write_atomically


class Journal:
    """What is done, a JSON line each with its checksum.

    A last line that was cut off by a kill does not count.

    Parameters
    ----------
    path : Path or None
        None keeps nothing.
    resume : bool
        Go on with what is there; otherwise put it aside (``.1``) and begin anew.

    Attributes
    ----------
    done : dict
        Rows by their keys.
    damaged : int
        Lines that are not as they were written.
    """

    def __init__(self, path: Path | None, resume: bool):
        self._path = path
        self.done: dict[str, dict[str, Any]] = {}
        self.damaged = 0
        if path is None:
            return
        if resume and path.is_file():
            for line in path.read_bytes().split(b"\n")[:-1]:
                entry = _entry(line)
                if entry is None:
                    self.damaged += 1
                else:
                    self.done[entry["key"]] = entry["row"]
        elif path.exists():
            path.replace(path.with_name(path.name + ".1"))
        if self.done or resume:
            self._rewrite()

    def _rewrite(self) -> None:
        write_atomically(self._path, b"".join(_line(k, r) for k, r in self.done.items()))

    def add(self, rows: dict[str, dict[str, Any]]) -> None:
        """Write rows down by their keys, to the disk before this returns."""
        self.done |= rows
        if self._path is None or not rows:
            return
        try:
            with self._path.open("ab") as file:
                for key, row in rows.items():
                    file.write(_line(key, row))
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise DataError(
                f"{self._path}: cannot be written: {error.strerror}.", "Choose another --table."
            ) from None


def _line(key: str, row: dict[str, Any]) -> bytes:
    text = json.dumps({"key": key, "row": row})
    return json.dumps({"check": _checksum(text), "key": key, "row": row}).encode() + b"\n"


def _entry(line: bytes) -> dict[str, Any] | None:
    """What a line of a journal says, None where it is not as it was written."""
    try:
        entry = json.loads(line)
        text = json.dumps({"key": entry["key"], "row": entry["row"]})
        return entry if entry["check"] == _checksum(text) else None
    except (ValueError, KeyError, TypeError, RecursionError):
        return None


def _checksum(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()
