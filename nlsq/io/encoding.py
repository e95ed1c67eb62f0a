"""Bytes of a text file as UTF-8 with plain line ends, whatever they were."""

from __future__ import annotations

import codecs
import re

from nlsq.io.errors import FileError

_MARKS = (  # longest first: UTF-32 begins like UTF-16
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
#: Of names of hosts, of Python's source, of nothing at all.
_NOT_OF_FILES = {"idna", "punycode", "unicode-escape", "raw-unicode-escape", "undefined"}
_SAMPLE = 4096
_CONTROL = re.compile(rb"[\x00-\x08\x0e-\x19\x1c-\x1f\x7f]")
_MOST_CONTROLS = 0.02


def to_utf8(data: bytes, encoding: str | None, source: str) -> tuple[bytes, str]:
    """The text as UTF-8 with \\n at the ends of lines, and how it was encoded, in words.

    Raises
    ------
    FileError
        The bytes are no text, or not in the encoding given.

    Examples
    --------
    >>> to_utf8("t;µV\\r\\n1;2\\r\\n".encode("latin-1"), None, "run.csv")
    (b't;\\xc2\\xb5V\\n1;2\\n', 'Windows-1252')
    """
    name = _encoding(data) if encoding is None else encoding
    said = _said(name) + (" with BOM" if encoding is None and _mark(data) else "")
    codec = _codec(name, source)
    if codec == "utf-8" and data.startswith(codecs.BOM_UTF8):
        codec = "utf-8-sig"
    try:
        text = data.decode(codec)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise FileError(
            f"{source}:{line}: a byte that is not {_said(name)} ({error.reason}).",
            "Give the encoding of the file, e.g. latin-1 or utf-16.",
        ) from None
    except UnicodeError as error:
        raise FileError(f"{source}: {error}.", "Give the encoding of the file.") from None
    if codec not in ("utf-8", "ascii"):
        data = text.encode("utf-8", "replace")
    _require_text(data, source)
    if b"\r" in data:
        data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    return data, said


def _codec(name: str, source: str) -> str:
    """Python's name of an encoding of text."""
    try:
        codec = codecs.lookup(name).name
        "".encode(codec)  # refused by what turns bytes into bytes: rot13, zlib, hex
    except (LookupError, ValueError):  # also a name with a zero byte
        codec = None
    if codec is None or codec in _NOT_OF_FILES:
        raise FileError(
            f"{source}: there is no encoding called {name!r} for texts.",
            "Use utf-8, utf-16, latin-1, cp1252, ...",
        )
    return codec


def _mark(data: bytes) -> str | None:
    return next((name for mark, name in _MARKS if data.startswith(mark)), None)


def _encoding(data: bytes) -> str:
    if mark := _mark(data):
        return mark
    sample = data[:_SAMPLE]
    even, odd = sample[::2], sample[1::2]
    if len(sample) >= 4 and not sample.startswith(b"\0\0"):
        # UTF-16 of mostly ASCII text has a zero in every other byte
        for zeros, others, name in ((odd, even, "utf-16-le"), (even, odd, "utf-16-be")):
            if zeros.count(0) > 0.7 * len(zeros) and others.count(0) < 0.1 * len(others):
                return name
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        # the undefined bytes of Windows-1252 are letters of nobody; Latin-1 takes all
        return "latin-1" if re.search(rb"[\x81\x8d\x8f\x90\x9d]", data) else "cp1252"
    return "utf-8"


def _said(name: str) -> str:
    plain = name.lower().replace("_", "-")
    words = {"utf-8-sig": "UTF-8", "cp1252": "Windows-1252", "latin-1": "Latin-1"}
    return words.get(plain, plain.upper())


def _require_text(data: bytes, source: str) -> None:
    zero = data.find(b"\0")
    sample = data[:_SAMPLE].rstrip(b"\0")
    controls = len(_CONTROL.findall(sample))
    if controls > max(1, _MOST_CONTROLS * len(sample)):
        raise FileError(
            f"{source}: not a text file, and of no format that is read here.",
            "Formats: CSV and other text, JSON, HDF5, NPZ/NPY, Parquet, Feather, Excel (.xlsx), "
            "JCAMP-DX. "
            "Say which by format=, or the text's encoding= (utf-16, ...).",
        )
    if zero >= 0:
        line = data.count(b"\n", 0, zero) + 1
        raise FileError(
            f"{source}:{line}: zero bytes among the text; the file was damaged, perhaps by a "
            "crash while it was written.",
            "Cut the file before this line.",
        )
