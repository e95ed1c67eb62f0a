"""What is wrong with a file."""

from __future__ import annotations

import lzma
import os
import tokenize
import zipfile
import zlib
from collections.abc import Iterable

from nlsq.utils.input_error import InputError, did_you_mean

_SHOWN = 12

#: What the readers of formats raise on damaged files: wrong sizes, counts, codes and texts.
DAMAGE = (
    OSError, ValueError, EOFError, KeyError, IndexError, TypeError, AttributeError, SyntaxError,
    RuntimeError, SystemError, OverflowError, MemoryError, zlib.error, lzma.LZMAError,
    zipfile.BadZipFile, tokenize.TokenError,
)  # fmt: skip


class FileError(InputError):
    """A file that cannot be read or written: where, what, and how to mend it.

    Examples
    --------
    >>> print(FileError("run.csv:7: 'V' is empty.", "Correct the row."))
    run.csv:7: 'V' is empty. Correct the row.
    """


def missing_package(what: str, package: str) -> InputError:
    """The error for something that an optional package does."""
    return InputError(f"{what} needs {package}.", f"pip install {package}")


def reason(error: OSError) -> str:
    """What the system says, without the number and the path."""
    return error.strerror or str(error)


def listed(names: Iterable[str]) -> str:
    """The first names of a list, for a message."""
    names = list(names)
    more = f", ... ({len(names)} in all)" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more


def suggestion(word: str, known: Iterable[str]) -> str:
    """The end of a sentence about a name that is not there."""
    known = list(known)
    return did_you_mean(word, known, f"; there are {listed(known)}.")


def missing_file(path: str | os.PathLike) -> FileError:
    """The error for a path that leads nowhere, with the neighbour that may have been meant."""
    text = os.fspath(path)
    folder, name = os.path.split(text)
    try:
        neighbours = sorted(os.listdir(folder or "."))
    except OSError:
        return FileError(f"{text}: no such file.", f"There is no folder {folder or '.'!r}.")
    if name in neighbours:
        return FileError(f"{text}: a link to a file that is not there.", "Look where it leads.")
    hint = did_you_mean(name, neighbours, ".")
    return FileError(f"{text}: no such file{hint}", "Paths are relative to the working folder.")
