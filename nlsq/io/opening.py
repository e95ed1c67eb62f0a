"""What is behind a path or a stream: bytes or a file, and of which format."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import re
import stat
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from nlsq.caching.memory_manager import manager
from nlsq.io.errors import DAMAGE, FileError, missing_file, reason

_HEAD = 4096
_PIECE = 1 << 22
_READING_FACTOR = 4  # bytes held per byte of a file, at the peak
_COMPRESSED: tuple[tuple[bytes, str, Any], ...] = (
    (b"\x1f\x8b", "gzip", gzip.open),
    (b"BZh", "bzip2", bz2.open),
    (b"\xfd7zXZ\0", "xz", lzma.open),
)
_MAGIC = (
    (b"\x93NUMPY", "npy"),
    (b"\x89HDF\r\n\x1a\n", "hdf5"),
    (b"PAR1", "parquet"),
    (b"ARROW1", "feather"),
)
_JSON = re.compile(rb"\{\s*[\"}]|\[\s*[\[{\"]")
_JCAMP = re.compile(rb"^##\s*JCAMP[-_ ]?(?:DX|CS)\s*=", re.IGNORECASE | re.MULTILINE)
_FOREIGN = (
    (b"\xd0\xcf\x11\xe0", "an old Excel file (.xls) or another Office file", "Save it as .xlsx."),
    (b"MATLAB 5.0", "a MATLAB file of version 5", "Save it with -v7.3 (HDF5), or as CSV."),
    (b"%PDF", "a PDF", "Export the table as CSV."),
    (b"\x89PNG", "a picture (PNG)", "Give the file of the data."),
    (b"\xff\xd8\xff", "a picture (JPEG)", "Give the file of the data."),
    (b"\x28\xb5\x2f\xfd", "compressed with zstd", "Decompress it: zstd -d."),
    (b"SQLite format 3", "a database (SQLite)", "Export the table as CSV."),
    (b"FEA1", "a Feather file of version 1", "Write it again with pyarrow (Feather 2)."),
    (b"CDF\x01", "a netCDF-3 file", "Convert it to netCDF-4 (HDF5): nccopy -k 4."),
    (b"\x80\x04\x95", "a Python pickle, which could run code", "Write it as NPZ or Parquet."),
    (b"\x80\x05\x95", "a Python pickle, which could run code", "Write it as NPZ or Parquet."),
)


@dataclass(frozen=True)
class Opened:
    """A file, or bytes in memory.

    Attributes
    ----------
    name : str
        For messages.
    path : Path or None
    data : bytes or None
        The content when it was a stream or compressed.
    head : bytes
        Its beginning.
    compression : str
        '' for none.
    """

    name: str
    path: Path | None
    data: bytes | None
    head: bytes
    compression: str = ""

    def file(self) -> Any:
        """What libraries open: the path, or a file in memory."""
        return self.path if self.data is None else io.BytesIO(self.data)

    def bytes(self) -> bytes:
        """All of it.

        Raises
        ------
        FileError
            It cannot be read, or is too large for the memory allowed.
        """
        if self.data is not None:
            return self.data
        require_memory(_READING_FACTOR * self.path.stat().st_size, self.name)
        try:
            return self.path.read_bytes()
        except OSError as error:
            raise FileError(f"{self.name}: cannot be read: {reason(error)}.") from None


def require_memory(n_bytes: int, name: str) -> None:
    """Check that a file fits into the memory that is allowed.

    Raises
    ------
    FileError
    """
    try:
        manager.require(n_bytes, f"{name}: reading this file")
    except MemoryError as error:
        raise FileError(str(error), "Or stream it: nlsq.streaming.") from None


def open_source(source: str | os.PathLike | BinaryIO) -> Opened:
    """Look at the beginning of a file or stream.

    Raises
    ------
    FileError
        There is no such file, it is no regular one, it is empty or cannot be read.
    TypeError
        It is neither a path nor a binary stream.
    """
    opened = _open_stream(source) if hasattr(source, "read") else _open_path(source)
    if not opened.head:
        raise FileError(f"{opened.name}: this file is empty.", "Was the measurement saved?")
    for magic, name, kind in _COMPRESSED:
        if opened.head.startswith(magic):
            return _decompressed(opened, name, kind)
    return opened


def _open_stream(stream: BinaryIO) -> Opened:
    name = str(getattr(stream, "name", "the stream"))
    name = "standard input" if name in ("<stdin>", "0") else name
    pieces, size = [], 0
    while piece := stream.read(_PIECE):
        if not isinstance(piece, bytes):
            raise TypeError("a stream of data must be binary: open(path, 'rb'), sys.stdin.buffer")
        pieces.append(piece)
        size += len(piece)
        require_memory(_READING_FACTOR * size, name)
    data = b"".join(pieces)
    return Opened(name, None, data, data[:_HEAD])


def _open_path(source: str | os.PathLike) -> Opened:
    path = Path(source)
    name = str(path)
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            raise FileError(f"{name}: this is a folder, not a file.", "Give a file in it.")
        if not stat.S_ISREG(mode):
            kind = "pipe" if stat.S_ISFIFO(mode) else "device"
            raise FileError(f"{name}: this is a {kind}, not a file.", "Give it as a stream: < FILE")
        with open(path, "rb") as file:
            return Opened(name, path, None, file.read(_HEAD))
    except FileError:
        raise
    except (FileNotFoundError, NotADirectoryError):
        raise missing_file(path) from None
    except PermissionError:
        raise FileError(f"{name}: no permission to read it.", "Check its owner: ls -l.") from None
    except OSError as error:
        raise FileError(f"{name}: cannot be read: {reason(error)}.") from None
    except ValueError as error:  # a zero byte in the name
        raise FileError(f"{name!r}: no name of a file: {error}.") from None


def _decompressed(opened: Opened, name: str, kind: Any) -> Opened:
    pieces, size = [], 0
    try:
        with io.BytesIO(opened.bytes()) as raw, kind(raw) as file:
            while piece := file.read(_PIECE):
                pieces.append(piece)
                size += len(piece)
                require_memory(_READING_FACTOR * size, opened.name)
    except FileError:
        raise
    except DAMAGE as error:
        raise FileError(
            f"{opened.name}: the {name} file is damaged or cut off after {size:,} bytes ({error}).",
            "Copy it again.",
        ) from None
    data = b"".join(pieces)
    if not data:
        raise FileError(f"{opened.name}: the {name} file holds nothing.")
    return Opened(opened.name, opened.path, data, data[:_HEAD], name)


def find_format(opened: Opened) -> str:
    """The format by content, and by name where the content leaves a choice.

    Raises
    ------
    FileError
        It is a format that is not read.
    """
    head = opened.head
    for magic, name in _MAGIC:
        if head.startswith(magic):
            return name
    if head.startswith(b"PK"):
        return _zip_format(opened)
    if b"MATLAB 7.3 MAT-file" in head[:64]:
        return "hdf5"
    for magic, what, fix in _FOREIGN:
        if head.startswith(magic):
            raise FileError(f"{opened.name}: this is {what}, which is not read.", fix)
    suffix = _suffix(opened)
    if suffix in (".json", ".jsonl", ".ndjson"):
        return "json"
    known = {"h5": "hdf5", "hdf5": "hdf5", "hdf": "hdf5", "parquet": "parquet", "pq": "parquet",
             "feather": "feather", "arrow": "feather", "npz": "npz", "npy": "npy",
             "xlsx": "excel", "xlsm": "excel", "jdx": "jcamp", "jcm": "jcamp"}  # fmt: skip
    if suffix[1:] in known:  # and yet not its first bytes
        return known[suffix[1:]]
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n")
    if _JSON.match(text):
        return "json"
    return "jcamp" if _JCAMP.search(head) else "text"


def _suffix(opened: Opened) -> str:
    suffixes = [s.lower() for s in Path(opened.name).suffixes]
    if opened.compression and suffixes:
        suffixes.pop()
    return suffixes[-1] if suffixes else ""


def _zip_format(opened: Opened) -> str:
    try:
        with zipfile.ZipFile(opened.file()) as archive:
            names = archive.namelist()
            if "mimetype" in names:
                raise FileError(
                    f"{opened.name}: an OpenDocument file, which is not read.",
                    "Save it as .xlsx or CSV.",
                )
    except FileError:
        raise
    except DAMAGE:
        suffix = _suffix(opened)
        kind = {".npz": "NPZ file", ".xlsx": "Excel file"}.get(suffix, "ZIP file")
        raise FileError(
            f"{opened.name}: the {kind} is damaged or cut off.", "Copy or write it again."
        ) from None
    if any(n.startswith("xl/") for n in names):
        return "excel"
    if names and all(n.endswith(".npy") for n in names):
        return "npz"
    raise FileError(f"{opened.name}: a ZIP file that is no table.", "Unpack it and give a file.")
