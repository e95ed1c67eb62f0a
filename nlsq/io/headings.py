"""Names and units of columns from the lines above a table."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nlsq.io.lines import Line, bare, cells, is_comment
from nlsq.io.numbers import is_missing, parse

if TYPE_CHECKING:
    from nlsq.io.layout import Wishes

_PREFIXES = ("", "da", *"yzafpnuµμmcdhkKMGTPEZY")
_UNITS = frozenset(
    prefix + base
    for prefix in _PREFIXES
    for base in (
        "m g s A K mol cd Hz N Pa bar J eV W C V F Ω Ohm ohm S T Wb H L l M B b rad sr Bq Gy Sv "
        "min h d a yr deg ° °C °F Å px dB dBm Torr psi Oe G cts counts cps rpm u Da arb sec ppm "
        "ppb %"
    ).split()
)
_LENGTHS = tuple(sorted({len(unit) for unit in _UNITS}))
_LONGEST_UNIT = 200  # characters
_POWER = re.compile(r"(?:\^?[-+]?\d|[²³⁻¹])*+")
_BETWEEN = re.compile(r"[ .*·/]*+(?:1/)?+")
_WORD = re.compile(
    r"1|-|a\.?\s?u\.?|arb\.? ?units?|counts?|\w{0,3}/\w{0,4}|"
    r"(?i:seconds?|volts?|amperes?|sequence|kelvin|hertz)"
)
_BRACKETED = re.compile(r"[\[(<{](.*)[\])>}]")
_SQUARE = re.compile(r"(?s)(.*\S)\s*+\[([^\[\]]*+)\]")
_ROUND = re.compile(r"(?s)(.*\S)(\s*+)\(([^()]*+)\)")
_SLASH = re.compile(r"(?s)(.*\S)\s++/\s++(\S.*)")
_TIGHT = re.compile(r"([^/]*[^/\s])/([^/]+)")
_COMMENTS_READ = 3  # comment lines above the table that may hold names


@dataclass(frozen=True)
class Heading:
    """Names of columns, their units, and the numbers of the lines they came from."""

    names: tuple[str, ...]
    units: dict[str, str]
    line: int | None = None
    units_line: int | None = None


def find_heading(
    above: list[Line], width: int, delimiter: str | None, wishes: Wishes, given: int | None
) -> Heading:
    """Read the names and units of `width` columns from the lines above them.

    Parameters
    ----------
    above : list of Line
    width : int
    delimiter : str or None
    wishes : Wishes
    given : int or None
        Index of the line that the caller says holds the names.
    """
    plain = tuple(f"c{i}" for i in range(width))
    if wishes.header is False:
        return Heading(plain, {})
    if given is not None:
        names = _text_cells(above[given], width, delimiter, wishes, strict=False)
        rest = _candidates(above[given + 1 :], width, delimiter, wishes)
        units = rest[-1] if rest and _are_units(rest[-1][1]) else None
        return _heading((above[given].number, names), units)
    found = _candidates(above, width, delimiter, wishes)
    if not found:
        return Heading(plain, {})
    if len(found) > 1 and found[-1][0] - found[-2][0] <= 2 and _are_units(found[-1][1]):
        return _heading(found[-2], found[-1])
    if all(_BRACKETED.fullmatch(name) or is_missing(name) for name in found[-1][1]):
        return _heading((None, list(plain)), found[-1])
    return _heading(found[-1], None)


def _candidates(
    above: list[Line], width: int, delimiter: str | None, wishes: Wishes
) -> list[tuple[int, list[str]]]:
    """The last two lines, as cells, that may hold names: the nearest plain ones, else comments."""
    told = [line for line in above if line.text.strip()]
    plain = [t for t in told if not is_comment(t.text, delimiter, wishes.comment)]
    comments = [t for t in told if is_comment(t.text, delimiter, wishes.comment)]
    for lines in (plain[-2:], comments[-_COMMENTS_READ:]):
        out = [
            (line.number, row)
            for line in lines
            if (row := _text_cells(line, width, delimiter, wishes, strict=True))
        ]
        # plain names stand right above the table: a line of other width between is a preamble's
        if out and (out[-1][0] == lines[-1].number or lines[-1] not in plain):
            return out[-2:]
    return []


def _text_cells(
    line: Line, width: int, delimiter: str | None, wishes: Wishes, strict: bool
) -> list[str]:
    """The cells of a line when there are `width` of them; `strict`: and they are no numbers."""
    text = line.text
    if is_comment(text, delimiter, wishes.comment):
        text = bare(text, wishes.comment)
    for how in dict.fromkeys((delimiter, None if delimiter else "\t")):
        row = cells(text, how)
        while len(row) > width and row[-1] == "":
            row.pop()
        if how is None and len(row) != width:
            row = _regrouped(row, text, width)
        if how is not None and how == delimiter and width > 1 and _are_names(row):
            row = row[:width]  # names of columns that no row has, as LabVIEW's "Comment"
        if len(row) == width and (not strict or _are_names(row)):
            return [" ".join(cell.split()) for cell in row]
    if strict:
        return []
    row = cells(text, delimiter)
    return (row + [f"c{i}" for i in range(len(row), width)])[:width]


def _regrouped(row: list[str], text: str, width: int) -> list[str]:
    """``time (s)  V (mV)``: units go with their names, or two blanks part the names."""
    joined = re.sub(r"(?<=\S)\s++(?=[(\[])", "\0", text.strip())
    joined = re.sub(r"(?<=\S)\s++/\s++", "\1", joined)
    parts = [p.replace("\0", " ").replace("\1", " / ") for p in joined.split()]
    if len(parts) == width:
        return parts
    wide = re.split(r"\s{2,}|\t", text.strip())
    return wide if len(wide) == width else row


def _are_names(row: list[str]) -> bool:
    texts = [cell for cell in row if not is_missing(cell)]
    return bool(texts) and not any(
        parse(cell, decimal) is not None for cell in texts for decimal in ".,"
    )


def is_unit(cell: str) -> bool:
    """Whether a cell says a unit, or that there is none."""
    return bool(_BRACKETED.fullmatch(cell)) or _is_product(cell) or is_missing(cell)


def _is_product(text: str) -> bool:
    """Whether a text is a unit, a product of units with powers, or a word for one.

    "mm" is a millimetre, or metre times metre: every place where a unit may begin is looked at
    once, since to try all ways takes twice as long for each letter more.
    """
    if _WORD.fullmatch(text):
        return True
    if len(text) > _LONGEST_UNIT:
        return False
    begins = {0}
    for at in range(len(text)):
        if at in begins:
            start = _BETWEEN.match(text, at).end() if at else 0  # type: ignore[union-attr]
            for end in (start + length for length in _LENGTHS):
                if text[start:end] in _UNITS and end <= len(text):
                    begins.add(_POWER.match(text, end).end())  # type: ignore[union-attr]
    return bool(text) and len(text) in begins


def _are_units(row: list[str]) -> bool:
    texts = [cell for cell in row if cell]
    return bool(texts) and all(map(is_unit, texts))


def _heading(names: tuple[int | None, list[str]], units: tuple[int, list[str]] | None) -> Heading:
    line, row = names
    row = [cell or f"c{i}" for i, cell in enumerate(row)]
    if units is not None:
        said = [_inner(cell) for cell in units[1]]
        return Heading(tuple(row), _known(row, said), line, units[0])
    split = [split_unit(cell) for cell in row]
    if len({name for name, _ in split}) < len(set(row)):
        return Heading(tuple(row), {}, line)  # V (left) and V (right) are names, not units
    return Heading(
        tuple(name for name, _ in split),
        _known([name for name, _ in split], [unit for _, unit in split]),
        line,
    )


def _known(names: list[str], units: list[str]) -> dict[str, str]:
    counts = Counter(names)
    pairs = zip(names, units, strict=True)
    return {n: u for n, u in pairs if u and u != "-" and counts[n] == 1}


def _inner(cell: str) -> str:
    found = _BRACKETED.fullmatch(cell)
    return (found.group(1) if found else cell).strip()


def split_unit(heading: str) -> tuple[str, str]:
    """Name and unit of a heading; the unit is '' when there is none.

    Examples
    --------
    >>> [split_unit(h) for h in ("time (s)", "V[mV]", "I(mA)", "t / s", "U/V", "a/b", "V(out)")]
    [('time', 's'), ('V', 'mV'), ('I', 'mA'), ('t', 's'), ('U', 'V'), ('a/b', ''), ('V(out)', '')]
    """
    if found := _SQUARE.fullmatch(heading):
        return found.group(1), found.group(2).strip()
    if (found := _ROUND.fullmatch(heading)) and (
        found.group(2) or _is_product(found.group(3).strip())
    ):
        return found.group(1), found.group(3).strip()
    if found := _SLASH.fullmatch(heading):
        return found.group(1), found.group(2).strip("() ")
    if (
        (found := _TIGHT.fullmatch(heading))
        and found.group(2) in _UNITS
        and (len(found.group(2)) > 1 or found.group(2) in "sVAKmgNWJ")
    ):
        return found.group(1), found.group(2)
    return heading, ""
