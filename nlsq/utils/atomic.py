"""Files that are there whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import secrets
import stat
from pathlib import Path


def encoded(text: str) -> bytes:
    """UTF-8, with backslashes for what is no text: a path may be any bytes, and is written down.

    Examples
    --------
    >>> encoded("µ"), encoded(os.fsdecode(b"\\xff.csv"))
    (b'\\xc2\\xb5', b'\\\\udcff.csv')
    """
    return text.encode("utf-8", "backslashreplace")


def write_atomically(path: str | os.PathLike, content: bytes | str) -> None:
    """Write a file so that a reader, or a crash, finds the old one or the new one, never a part.

    A temporary file beside it is written, flushed to the disk and renamed. Text is UTF-8. The mode
    of a file that is replaced is kept; a link stays and its target is replaced; what is no regular
    file (/dev/stdout, a pipe) is written straight.

    Raises
    ------
    OSError
        When it cannot be written; no temporary file is left.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_atomically(Path(folder) / "a.txt", "µ\\n")
    ...     (Path(folder) / "a.txt").read_bytes(), len(os.listdir(folder))
    (b'\\xc2\\xb5\\n', 1)
    """
    data = content if isinstance(content, bytes) else encoded(content)
    target = Path(os.path.realpath(path))
    mode = _mode(target)
    if mode is not None and not stat.S_ISREG(mode):
        with open(target, "wb") as file:
            file.write(data)
        return
    temporary = target.with_name(f".{target.name[:100]}.{secrets.token_hex(4)}.tmp")
    try:
        with open(temporary, "xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        if mode is not None:
            os.chmod(temporary, stat.S_IMODE(mode))
        os.replace(temporary, target)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise
    sync_folder(target.parent)


def _mode(path: Path) -> int | None:
    try:
        return path.stat().st_mode
    except FileNotFoundError:
        return None


def sync_folder(folder: Path) -> None:
    """Make renames in a folder last."""
    if os.name == "nt":  # folders cannot be opened there
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno != errno.EINVAL:  # a file system that cannot
            raise
    finally:
        os.close(handle)


def kept(text: str, folder: Path, kind: str, suffix: str) -> Path:
    """The file of a text, named after its content: what is undone finds its own file again.

    Raises
    ------
    OSError
    """
    path = folder / f"{kind}-{hashlib.sha256(encoded(text)).hexdigest()[:12]}{suffix}"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        write_atomically(path, text)
    return path
