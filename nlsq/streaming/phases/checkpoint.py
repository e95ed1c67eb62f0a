"""The state of a long fit in a file, so that it survives being killed and goes on bit for bit.

One checkpoint is one file. With integers and arrays little-endian, arrays in C order::

    offset  bytes
         0      8  magic, "\\x93nlsqCP\\n"
         8      4  version of this format, an unsigned integer
        12     16  checksum: XXH3-128 of every byte that follows
        28      8  length of the whole file in bytes, an unsigned integer
        36         header: JSON in ASCII, one line that ends with "\\n":
                   {"fingerprint": {...}, "phase": "...", "facts": {...},
                    "numbers": [[name, dtype, shape], ...]}
                   the arrays' bytes, one after the other, in the order of "numbers"

Every byte is covered by the checksum or has one value only. Nothing is pickled.

A folder holds the present checkpoint and the previous one. A save writes a temporary file and
fsyncs it, renames present → previous and temporary → present, and fsyncs the folder. Renames are
atomic: whenever the process or the machine stops, one of the two is whole. A present one that is
found damaged never replaces the previous one.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import struct
import time
import warnings
import weakref
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import xxhash

from nlsq.utils.atomic import sync_folder

try:
    import fcntl
except ImportError:  # no such locks on Windows
    fcntl = None

MAGIC = b"\x93nlsqCP\n"
VERSION = 1
_START = struct.Struct("<8sI16sQ")  # magic, version, checksum, length
_COVERED = 28  # where the checksum's bytes begin
_DTYPES = {"f": "<f8", "i": "<i8", "b": "|b1", "c": "<c16"}  # by dtype.kind

PRESENT = "fit.checkpoint"
PREVIOUS = "fit.checkpoint.previous"
_TEMPORARY = "fit.checkpoint.new"
_LOCK = "fit.checkpoint.lock"

_DIFFERS = {
    "model": "the model is not that of the checkpoint in {} (other code, constants or values that "
    "it reads)",
    "options": "the options are not those of the checkpoint in {} (for example another p0, bounds, "
    "loss, method or tolerance)",
    "program": "nlsq or JAX have other versions than in the checkpoint in {}, with which the bits "
    "would differ",
    "warm-up": "the settings of the warm-up are not those of the checkpoint in {}",
    "search": "the search for the start is not that of the checkpoint in {} (another method, or "
    "number of starts, sampler or seed)",
    "data": "the data are not those of the checkpoint in {} (other content or order)",
}


class CheckpointWarning(UserWarning):
    """A checkpoint could not be written, or a damaged one was passed over; the fit goes on."""


class CheckpointError(ValueError):
    """A fit cannot be taken up from a folder; says why and what to do."""


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """What a fit needs to go on.

    Parameters
    ----------
    fingerprint : dict of str to str
        What the fit is a fit of, by "model", "options" and "data".
    phase : str
        Which part of the fit comes next.
    numbers : dict of str to numpy.ndarray
        Arrays of float64, int64, bool or complex128 and of any shape, kept bit for bit.
    facts : dict
        JSON values: None, bool, int, float (nan and inf too), str, lists and dicts of them.

    Raises
    ------
    TypeError
        If a value is of another type, and would not come back as it was.

    Examples
    --------
    >>> import numpy as np
    >>> point = Checkpoint({"model": "5e1f"}, "polish", {"p": np.array([1.0, 2.0])}, {"pass": 3})
    >>> point.phase
    'polish'
    """

    fingerprint: dict[str, str]
    phase: str
    numbers: dict[str, np.ndarray] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self):
        texts = [self.phase, *self.fingerprint, *self.fingerprint.values(), *self.numbers]
        if not all(isinstance(text, str) for text in texts):
            raise TypeError(f"A checkpoint's names and fingerprints must be str, got {texts}.")
        if repr(json.loads(json.dumps(self.facts))) != repr(self.facts):
            raise TypeError(
                "A checkpoint's facts must be JSON values (no tuple, no NumPy number, no key that "
                f"is not str), got {self.facts}."
            )
        for name, array in self.numbers.items():
            dtype = getattr(array, "dtype", None)
            if dtype is None or dtype.newbyteorder("<").str != _DTYPES.get(dtype.kind):
                raise TypeError(
                    "A checkpoint's numbers must be arrays of float64, int64, bool or complex128; "
                    f"{name!r} is {dtype or type(array).__name__}."
                )


def _encode(checkpoint: Checkpoint) -> bytes:
    numbers, contents = [], []
    for name, array in checkpoint.numbers.items():
        dtype = _DTYPES[array.dtype.kind]
        numbers.append([name, dtype, list(array.shape)])
        contents.append(np.asarray(array).astype(dtype).tobytes())
    header = json.dumps({**vars(checkpoint), "numbers": numbers})
    body = header.encode("ascii") + b"\n" + b"".join(contents)
    length = _START.size + len(body)
    checksum = xxhash.xxh3_128_digest(_START.pack(MAGIC, VERSION, b"", length)[_COVERED:] + body)
    return _START.pack(MAGIC, VERSION, checksum, length) + body


def _decode(content: bytes) -> Checkpoint:
    """The checkpoint in these bytes; ValueError that says why there is none."""
    if len(content) < _START.size:
        raise ValueError(f"it is truncated, only {len(content)} bytes are there")
    magic, version, checksum, length = _START.unpack_from(content)
    if magic != MAGIC:
        raise ValueError("it does not begin as a checkpoint does")
    if version != VERSION:
        raise ValueError(f"it has version {version} of the format, this nlsq reads {VERSION}")
    if xxhash.xxh3_128_digest(memoryview(content)[_COVERED:]) != checksum:
        if len(content) < length:
            raise ValueError(f"it is truncated, {len(content)} of {length} bytes are there")
        raise ValueError("its checksum differs from that of its content")
    start = content.index(b"\n", _START.size) + 1
    header = json.loads(content[_START.size : start])
    numbers = {}
    for name, dtype, shape in header.pop("numbers"):
        array = np.frombuffer(content, dtype, math.prod(shape), start).reshape(shape)
        numbers[name] = array.astype(array.dtype.newbyteorder("="))  # a copy, to be written to
        start += array.nbytes
    return Checkpoint(numbers=numbers, **header)


def _read(path: Path) -> Checkpoint | str:
    """A checkpoint, or why it cannot be used."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return "it is missing"
    except OSError as error:
        return f"it cannot be read ({_reason(error)})"
    try:
        return _decode(content)
    except ValueError as error:
        return str(error)


def _reason(error: OSError) -> str:
    return error.strerror or str(error)


def _warn(message: str) -> None:
    warnings.warn(message, CheckpointWarning, stacklevel=3)


class CheckpointManager:
    """The checkpoints of one fit in one folder, which no other fit can use while it is open.

    Parameters
    ----------
    folder : path
        Made if it is missing. Holds two files of the size of a checkpoint.
    interval : float
        Seconds from one save to the next, for `due`; 0 makes every moment due.

    Attributes
    ----------
    failure : str or None
        Why the last save failed; None when it did not.

    Raises
    ------
    CheckpointError
        If the folder is a file, cannot be made or written to, or another fit uses it.

    Examples
    --------
    >>> import numpy as np
    >>> fit = {"model": "5e1f", "options": "77a0", "data": "c3d4"}
    >>> with CheckpointManager("night-run", interval=0) as manager:
    ...     if manager.due():
    ...         manager.save(Checkpoint(fit, "polish", {"p": np.array([1.0, 2.0])}))
    True
    >>> with CheckpointManager("night-run") as manager:
    ...     point = manager.load()
    ...     manager.require(point, fit)
    ...     manager.remove()
    >>> point.phase, point.numbers["p"]
    ('polish', array([1., 2.]))
    """

    def __init__(self, folder: str | os.PathLike, *, interval: float = 5.0):
        if not interval >= 0:
            raise ValueError(f"interval must be a number of seconds, 0 or more; got {interval!r}.")
        self.folder, self.interval = Path(folder), interval
        self.failure: str | None = None
        self._warned, self._present_is_whole = False, None  # None: not looked at yet
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            lock = _lock(self.folder)
        except OSError as error:
            file = isinstance(error, FileExistsError | NotADirectoryError)
            why = "it is a file, or in one" if file else _reason(error)
            raise CheckpointError(
                f"Checkpoints need a folder that can be written to; not {self.folder}: {why}."
            ) from None
        self._release = weakref.finalize(self, _unlock, lock, self.folder / _LOCK, os.getpid())
        self._last = time.monotonic()
        self._delete_temporary()

    def due(self) -> bool:
        """Whether `interval` seconds have passed since the last save, or since the beginning."""
        return time.monotonic() - self._last >= self.interval

    def save(self, checkpoint: Checkpoint) -> bool:
        """Write a checkpoint and keep the one before.

        False if it could not be written (disk full, quota, read-only): what is there stays,
        `failure` says why, and a CheckpointWarning says it once. The next save tries again.
        """
        self._check_open()
        content = _encode(checkpoint)
        try:
            self._write(content)
            self.failure = None
        except OSError as error:
            self._delete_temporary()
            self.failure = _reason(error)
        self._last = time.monotonic()
        if self.failure and not self._warned:
            self._warned = True
            _warn(
                f"A checkpoint of {len(content)} bytes could not be written to {self.folder}: "
                f"{self.failure}. The fit goes on and tries again; an earlier checkpoint stays."
            )
        return self.failure is None

    def _write(self, content: bytes) -> None:
        temporary, present = self.folder / _TEMPORARY, self.folder / PRESENT
        if self._present_is_whole is None:
            self._present_is_whole = isinstance(_read(present), Checkpoint)
        with open(temporary, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        if self._present_is_whole:
            self._present_is_whole = None
            os.replace(present, self.folder / PREVIOUS)
        os.replace(temporary, present)
        self._present_is_whole = True
        sync_folder(self.folder)

    def load(self) -> Checkpoint | None:
        """The present checkpoint if it is whole, else the previous one; None if there is none.

        A present one that is damaged is passed over with a CheckpointWarning that says how. One
        that is missing is no damage: a save was stopped between its two renames. If there are
        files but none is whole, that is a CheckpointError.
        """
        self._check_open()
        present, previous = (_read(self.folder / name) for name in (PRESENT, PREVIOUS))
        self._present_is_whole = isinstance(present, Checkpoint)
        if isinstance(present, Checkpoint):
            return present
        there = [name for name in (PRESENT, PREVIOUS) if os.path.lexists(self.folder / name)]
        if not there:
            return None
        if isinstance(previous, str):
            raise CheckpointError(
                f"No checkpoint in {self.folder} can be used: of {PRESENT}, {present}; of "
                f"{PREVIOUS}, {previous}. Delete the folder, or give another, to begin anew."
            )
        if PRESENT in there:
            _warn(
                f"The last checkpoint in {self.folder} cannot be used: {present}. The fit goes on "
                f"from the previous one."
            )
        return previous

    def require(self, checkpoint: Checkpoint, fingerprint: dict[str, str]) -> None:
        """Refuse a checkpoint of another fit: a CheckpointError that says what differs."""
        mine = checkpoint.fingerprint
        parts = [*_DIFFERS, *sorted({*mine, *fingerprint} - {*_DIFFERS})]
        differ = [part for part in parts if mine.get(part) != fingerprint.get(part)]
        if differ:
            other = "{1} differs from that of the checkpoint in {0}"
            texts = [_DIFFERS.get(part, other).format(self.folder, part) for part in differ]
            raise CheckpointError(
                f"This is not the fit that was stopped: {', and '.join(texts)}. To "
                "begin anew delete the folder, or give another to keep both."
            )

    def remove(self) -> None:
        """Delete the checkpoints: after success, or to begin anew."""
        self._check_open()
        self._present_is_whole = None
        for name in (_TEMPORARY, PREVIOUS, PRESENT):
            try:
                (self.folder / name).unlink(missing_ok=True)
            except OSError as error:
                _warn(f"{self.folder / name} could not be deleted: {_reason(error)}.")

    def close(self) -> None:
        """Let other fits use the folder; the checkpoints stay."""
        if self._release.alive:
            self._delete_temporary()
            self._release()

    def __enter__(self) -> CheckpointManager:
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def _delete_temporary(self) -> None:
        with contextlib.suppress(OSError):
            os.unlink(self.folder / _TEMPORARY)

    def _check_open(self) -> None:
        if not self._release.alive:
            raise CheckpointError(f"The checkpoints in {self.folder} were closed.")


class KeptElsewhere:
    """The checkpoints of a fit of many processes, on all but the first, which keeps them."""

    failure = None

    def due(self) -> bool:
        return False

    def save(self, checkpoint: Checkpoint) -> bool:
        return True

    def remove(self) -> None:
        """Nothing is here."""


def _lock(folder: Path) -> int | None:
    """Lock the lock file; the system drops the lock when the process ends."""
    while fcntl is not None:
        handle = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(handle)
            raise CheckpointError(
                f"Another fit is using the checkpoints in {folder}; wait for it or give each fit "
                "its own folder."
            ) from None
        except OSError as error:  # a network file system without locks
            _warn(f"{folder} cannot be locked ({_reason(error)}); no other fit may use it.")
            return handle
        if _is_file(handle, folder / _LOCK):
            return handle
        os.close(handle)  # deleted meanwhile by the fit that held it
    return None


def _is_file(handle: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(handle), os.stat(path))
    except FileNotFoundError:
        return False


def _unlock(handle: int | None, path: Path, process: int) -> None:
    if handle is None:
        return
    if os.getpid() == process:  # a forked child must not open the folder to others
        with contextlib.suppress(OSError):
            if _is_file(handle, path):
                os.unlink(path)
            fcntl.flock(handle, fcntl.LOCK_UN)
    os.close(handle)
