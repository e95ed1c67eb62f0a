"""Paths from strangers: what is read is a file, what is written stays where it was asked for."""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path
from typing import Any

from nlsq.utils.input_error import InputError

_RESERVED = re.compile(r"(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³]|conin\$|conout\$)(\.|:|\Z)", re.I)
_KINDS = (
    (stat.S_ISDIR, "a folder"), (stat.S_ISFIFO, "a pipe"), (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"), (stat.S_ISBLK, "a device"),
)  # fmt: skip


def validate_path(path: str | os.PathLike, base_dir: str | os.PathLike | None = None) -> Path:
    """A path to write to, resolved; nothing is created.

    Parameters
    ----------
    path : str or path
        Relative paths count from `base_dir`, or from the working directory without one.
    base_dir : str or path, optional
        The folder that the path may not leave, by ``..``, links or otherwise.

    Returns
    -------
    pathlib.Path
        The absolute path without links and ``..``; the file may not exist yet.

    Raises
    ------
    nlsq.utils.input_error.InputError
        If it leaves `base_dir`, is a folder, device, pipe or socket, or its name cannot be a
        file's on every system.

    Examples
    --------
    >>> validate_path("results/../../secret", base_dir="/tmp")
    Traceback (most recent call last):
    nlsq.utils.input_error.InputError: 'results/../../secret' leads out of '/tmp'. Name a file ...
    """
    text = os.fspath(path)
    if not isinstance(text, str):
        raise TypeError(f"a path is a text, not {type(text).__name__}")
    if not text.strip():
        raise InputError("an empty path.", "Name a file.")
    if any(ord(c) < 32 for c in text):
        raise InputError(f"{text!r} holds control characters.", "Name a file without them.")
    for part in re.split(r"[/\\]", text):
        if _RESERVED.match(part):
            raise InputError(f"{text!r}: {part!r} is a device on Windows.", "Choose another name.")
    base = None if base_dir is None else _resolved(Path(base_dir))
    resolved = _resolved(Path(text) if base is None else base / text)
    if base is not None and not resolved.is_relative_to(base):
        raise InputError(f"{text!r} leads out of {str(base)!r}.", "Name a file inside it.")
    if base is not None and resolved == base:
        raise InputError(f"{text!r} is the folder itself.", "Name a file inside it.")
    kind = _special_kind(resolved)
    if kind:
        raise InputError(f"{text!r} is {kind}.", "Name a file.")
    return resolved


def readable_file(path: Path) -> Path:
    """The resolved path of a regular file; `InputError` if it is none."""
    if "\0" in str(path):
        raise InputError(f"{str(path)!r} holds a null character.", "Name a file.")
    resolved = _resolved(path)
    kind = _special_kind(resolved)
    if kind:
        raise InputError(f"{path} is {kind}.", "Name a file.")
    if not resolved.is_file():
        raise InputError(f"{path}: no such file.", "Check the path.")
    return resolved


def kept_elsewhere(file: Any, name: str) -> str | None:
    """The other file, as it is written there, in which HDF5 would read something; None if none is.

    Parameters
    ----------
    file : h5py.File
    name : str
        A dataset or group. External links on the way to it, the external storage of a dataset, and
        the files behind a virtual one lead elsewhere.
    """
    import h5py

    found = file.get(name)
    if found is None:
        return None
    if h5py.h5o.get_info(found.id).fileno != h5py.h5o.get_info(file.id).fileno:
        return str(found.file.filename)
    others: list[str] = []
    if isinstance(found, h5py.Dataset):
        others = [part[0] for part in found.external or ()]
        if found.is_virtual:
            others += [s.file_name for s in found.virtual_sources() if s.file_name != "."]
    return str(others[0]) if others else None


def _resolved(path: Path) -> Path:
    try:
        return path.expanduser().resolve() if str(path).startswith("~/") else path.resolve()
    except (OSError, RuntimeError) as error:  # a ring of links
        raise InputError(f"{path}: {error}.", "Check the path.") from None


def _special_kind(path: Path) -> str:
    try:
        mode = path.stat().st_mode
    except OSError:  # there is nothing yet, or nothing to be seen
        return ""
    return next((name for is_kind, name in _KINDS if is_kind(mode)), "")
