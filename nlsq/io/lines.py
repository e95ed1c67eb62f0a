"""Lines of a text table and their cells."""

from __future__ import annotations

import csv
import functools
import re
from typing import NamedTuple

#: Characters that begin a comment line, if none is given.
COMMENTS = ("#", "%", "//", "!", ";")
_TRAILING = re.compile(
    r"(?:(?<=\s)|(?<=[,;|]))(?:#(?!N/A|NA\b|NV\b|DIV|VALUE|REF|NUM|NAME|NULL)|//).*"
)
_RULE = re.compile(r"[-=_+|\s]+")  # drawn below a header, with two of one kind side by side
_MOST_JOINED = 8
_NO_MARK: tuple[str, ...] = ()  # with which nothing begins


class Line(NamedTuple):
    """A line of text and its number in the file, from 1."""

    number: int
    text: str


def split_lines(text: str, first: int = 1) -> list[Line]:
    """Lines; a quoted cell that goes on over a line end joins its lines."""
    raw = text.split("\n")
    if raw and not raw[-1]:
        raw.pop()
    if '"' not in text:
        return [Line(number, line) for number, line in enumerate(raw, first)]
    out, at = [], 0
    while at < len(raw):
        line, taken = raw[at], 1
        if line.count('"') % 2:
            joined = line
            for more in range(1, min(_MOST_JOINED, len(raw) - at)):
                joined += "\n" + raw[at + more]
                if raw[at + more].count('"') % 2:
                    line, taken = joined, more + 1
                    break
        out.append(Line(first + at, line))
        at += taken
    return out


def is_comment(text: str, delimiter: str | None, mark: str | None) -> bool:
    """Whether a line is a comment; with `mark` None, by the usual marks."""
    start = text.lstrip()
    if start[:1].isalnum() and mark is None:  # most lines
        return False
    if start.startswith(_marks(delimiter) if mark is None else mark or _NO_MARK):
        return True
    return bool(_RULE.fullmatch(start)) and any(pair in start for pair in ("--", "==", "__"))


@functools.cache
def _marks(delimiter: str | None) -> tuple[str, ...]:
    return tuple(mark for mark in COMMENTS if mark != delimiter)


def uncommented(text: str, mark: str | None) -> str:
    """A data line without the remark behind its numbers."""
    if mark:
        return text.split(mark, 1)[0] if '"' not in text else text
    if mark is None and ("#" in text or "//" in text) and '"' not in text:
        return _TRAILING.sub("", text)
    return text


def bare(text: str, mark: str | None) -> str:
    """What a comment line says."""
    start = text.strip()
    if mark:
        return start.removeprefix(mark).strip()
    return start.lstrip("#%/!;").strip()


def cells(text: str, delimiter: str | None) -> list[str]:
    """The cells of a line; a delimiter of None is any run of blanks.

    Examples
    --------
    >>> cells(' 1 ;"a;b"; ', ";"), cells("  1   2 ", None)
    (['1', 'a;b', ''], ['1', '2'])
    """
    if delimiter == "|":  # drawn at both ends of the line, too
        text = text.strip().strip("|")
    if '"' not in text:
        if delimiter is None:
            return text.split()
        return [cell.strip() for cell in text.split(delimiter)]
    if delimiter is None:
        text = " ".join(text.split())
    try:
        row = next(csv.reader([text], delimiter=delimiter or " ", skipinitialspace=True), [])
    except csv.Error:  # a quotation mark that begins no cell, over a line end
        row = text.replace("\n", " ").split(delimiter)
    return [cell.strip() for cell in row]
