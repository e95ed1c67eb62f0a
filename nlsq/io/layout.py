"""How a text table is laid out: delimiter, decimal sign, where the numbers begin, names, units.

Every delimiter and decimal sign is tried on a sample of the lines. The best is the one whose
longest run of lines with equally many cells holds the most numbers: a wrong delimiter leaves text
(``1,5;2,5`` split at commas has the cell ``5;2``), a wrong decimal sign fewer numbers. The lines
above that run are looked through for names and units.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from nlsq.io.beside import settings_beside
from nlsq.io.errors import FileError
from nlsq.io.headings import Heading, find_heading, is_unit, split_unit
from nlsq.io.lines import Line, cells, is_comment, uncommented
from nlsq.io.numbers import is_grouped, is_missing, parse

_DELIMITERS = ("\t", ";", ",", "|", None)  # where two are as good, the first
SAMPLE, _SAMPLED = 300, 1 << 17  # lines, characters
_TEXT_COST, _MISSING_WORTH = 0.5, 0.25  # of a line of text, of a missing cell, in numbers
_UNSPLIT_COST = 2.0  # of a cell that another delimiter would part
_GROUPED_COST = 0.1  # what may be a decimal sign is rather one than thousands set off
_MOSTLY = 0.8  # of a column: enough to call it one of numbers
_SAID = {"\t": "tab-separated", None: "separated by blanks", ",": "comma-separated"}


@dataclass(frozen=True)
class Wishes:
    """What the caller said about a text file; None is found out."""

    delimiter: str | None = None
    decimal: str | None = None
    header: bool | int | None = None
    comment: str | None = None

    def skips(self, text: str, delimiter: str | None) -> bool:
        """Whether a line is blank or a comment."""
        return not text.strip(f" \t{delimiter or ''}") or is_comment(text, delimiter, self.comment)

    def cells(self, text: str, delimiter: str | None) -> list[str]:
        """The cells of a line of data."""
        return cells(uncommented(text, self.comment), delimiter)


@dataclass(frozen=True)
class Layout:
    """What was found out about a text file.

    Attributes
    ----------
    delimiter : str or None
        None: runs of blanks.
    decimal : str
    first : int
        Number of the first line of numbers, from 1.
    width : int
        Cells per line.
    spare : int
        Delimiters without a cell behind, at the ends of lines.
    numeric : tuple of bool
        Which columns hold numbers.
    heading : Heading
        Names and units.
    beside : range
        Columns of settings that stand beside the first rows of the data, as some oscilloscopes
        write them.
    """

    delimiter: str | None
    decimal: str
    first: int
    width: int
    spare: int
    numeric: tuple[bool, ...]
    heading: Heading
    beside: range = range(0)

    def describe(self) -> str:
        """``';' separated, decimal comma``."""
        said = _SAID.get(self.delimiter, f"{self.delimiter!r} separated")
        return said + (", decimal comma" if self.decimal == "," else "")


@dataclass(frozen=True)
class _Run:
    """Lines start ... stop - 1 (indices) that look like rows of a table."""

    score: float = 0.0
    start: int = 0
    stop: int = 0
    width: int = 0


def find_layout(lines: list[Line], wishes: Wishes, source: str) -> Layout:
    """Find out how a table is laid out from its first lines.

    Raises
    ------
    FileError
        There is no table, or more than one way to read it.
    """
    given = _given_header(lines, wishes, source)
    body = lines if given is None else lines[given + 1 :]
    above_body = len(lines) - len(body)
    body = body[: _sample(body, wishes)]
    delimiter, decimal, run = _best(body, wishes)
    if not run.width:
        raise _no_table(lines, wishes, source)
    if decimal == "," and wishes.decimal is None and delimiter != ";":
        _refuse_ambiguous(body[run.start : run.stop], delimiter, wishes, source)

    _refuse_interrupted(body, run, delimiter, decimal, wishes, source)

    def heading(start: int, width: int, given: int | None = given) -> Heading:
        above = lines[: above_body + start]
        return find_heading(above, width, delimiter, wishes, given)

    settled = wishes.delimiter or wishes.decimal or delimiter != ","
    if not settled and _is_one_column(body, run, wishes):
        delimiter, decimal = None, ","
        run = _Run(run.score, run.start, run.stop, 1)
    start, rows = run.start, _rows(body, run, delimiter, wishes)
    width, found = run.width, heading(start, run.width)
    beside = range(0) if found.line is not None or wishes.header else settings_beside(rows, decimal)
    if beside:
        pass  # their names are not those of columns
    elif found.line is None and wishes.header is None and (inside := _header_rows(rows, decimal)):
        start = rows[inside][0]
        found = heading(start, width, rows[0][0])
    elif found.line is not None and len(rows) > 1 and _is_units_row(rows, decimal):
        start = rows[1][0]
    kept = [row for index, row in rows if index >= start]
    empty = [not any(cells) for cells in zip(*kept, strict=True)]
    while (narrower := _without_empty(found.names, empty[:width])) < width:
        width = narrower
        found = heading(start, width)
    columns = list(zip(*kept, strict=True))[:width]
    numeric = tuple(
        _is_numeric(column, decimal, 1.0 if i in beside else _MOSTLY)
        for i, column in enumerate(columns)
    )
    first = body[start].number
    return Layout(delimiter, decimal, first, width, run.width - width, numeric, found, beside)


def _without_empty(names: tuple[str, ...], empty: list[bool]) -> int:
    """How many columns are left without the last ones that have neither a name nor a cell."""
    width = len(empty)
    while width > 1 and empty[width - 1] and names[width - 1] == f"c{width - 1}":
        width -= 1
    return width


def _given_header(lines: list[Line], wishes: Wishes, source: str) -> int | None:
    """Index of the line that the caller says is the header."""
    if wishes.header is None or wishes.header is False:
        return None
    for index, line in enumerate(lines):
        if wishes.header is True and not wishes.skips(line.text, None):
            return index
        if wishes.header is not True and line.number == wishes.header:
            return index
    what = "is no line" if wishes.header is True else f"is no line {wishes.header}"
    raise FileError(f"{source}: there {what} for the header.")


def _sample(lines: list[Line], wishes: Wishes) -> int:
    """How many lines to look at: some behind the comments at the beginning."""
    start = 0
    while start < len(lines) and wishes.skips(lines[start].text, None):
        start += 1
    stop, size = start, 0
    while stop < min(len(lines), start + SAMPLE) and (size < _SAMPLED or stop < start + 4):
        size += len(lines[stop].text)
        stop += 1
    return stop


def _best(lines: list[Line], wishes: Wishes) -> tuple[str | None, str, _Run]:
    delimiters = _DELIMITERS
    if wishes.delimiter is not None:
        delimiters = (wishes.delimiter if wishes.delimiter.strip(" ") else None,)
    best: tuple[str | None, str, _Run] = (delimiters[-1], wishes.decimal or ".", _Run())
    for delimiter in delimiters:
        if len(delimiters) > 1 and not any((delimiter or "") in line.text for line in lines):
            continue
        split = [
            None if wishes.skips(line.text, delimiter) else wishes.cells(line.text, delimiter)
            for line in lines
        ]
        for decimal in (wishes.decimal,) if wishes.decimal else (".", ","):
            if decimal != delimiter:
                run = _longest(split, decimal, _stronger(delimiter))
                if run.score > best[2].score:
                    best = delimiter, decimal, run
    return best


def _refuse_interrupted(
    lines: list[Line], run: _Run, delimiter: str | None, decimal: str, wishes: Wishes, source: str
) -> None:
    """Raise when rows of numbers like those of the table stand above what interrupts them.

    One such row above a line of text is what some instruments begin with.
    """
    above: list[Line] = []
    interrupts: Line | None = None
    text = False
    for line in lines[: run.start]:
        if wishes.skips(line.text, delimiter):
            continue
        row = wishes.cells(line.text, delimiter)
        numbers = [parse(cell, decimal) is not None for cell in row]
        if len(row) == run.width and all(numbers):
            above.append(line)
            interrupts = None
        elif above and interrupts is None:
            interrupts, text = line, not any(numbers)
    if interrupts is None and above:
        interrupts, text = lines[run.start], False
    _refuse_longer(lines, run, delimiter, decimal, wishes, source)
    if interrupts is not None and (len(above) > 1 or not text):
        raise FileError(
            f"{source}:{interrupts.number}: not like the {len(above):,} "
            f"row{'s' * (len(above) > 1)} of {run.width} numbers above it.",
            "Correct the line or comment it out, or leave out the lines above with skip (--skip).",
        )


def _refuse_longer(
    lines: list[Line], run: _Run, delimiter: str | None, decimal: str, wishes: Wishes, source: str
) -> None:
    """Raise when the row right above the table is one of its rows with more cells behind it."""
    above = [t for t in lines[: run.start] if not wishes.skips(t.text, delimiter)]
    row = wishes.cells(above[-1].text, delimiter) if above else []
    own = [parse(cell, decimal) for cell in row[: run.width]]
    named = any(parse(cell, decimal) is None for cell in row[run.width :])
    if run.width > 1 and named and all(v is not None and v == v for v in own):
        raise FileError(
            f"{source}:{above[-1].number}: {len(row)} cells, the rows below have {run.width}; it "
            "may be a row of the table with settings beside it.",
            "Remove what stands beside the numbers, or leave the line out with skip (--skip).",
        )


def _stronger(delimiter: str | None) -> tuple[str, ...]:
    """What text is not likely to hold when `delimiter` parts the cells."""
    return tuple(d for d in ("\t", ";", "|") if d != delimiter) if delimiter in (",", None) else ()


def _longest(split: list[list[str] | None], decimal: str, stronger: tuple[str, ...]) -> _Run:
    """The run that holds the most numbers; blank lines and comments interrupt none."""
    best = current = _Run()
    for index, row in enumerate(split):
        if row is None:
            continue
        missing = sum(map(is_missing, row))
        numbers = sum(parse(cell, decimal) is not None for cell in row) - missing
        texts = len(row) - numbers - missing
        worth = numbers + _MISSING_WORTH * missing - _TEXT_COST * texts / max(1, len(row))
        worth -= _UNSPLIT_COST * sum(any(d in cell for d in stronger) for cell in row)
        worth -= _GROUPED_COST * sum(is_grouped(cell, decimal) for cell in row)
        is_row = numbers > 0 or missing == len(row)
        if is_row and len(row) == current.width:
            current = _Run(current.score + worth, current.start, index + 1, current.width)
        else:
            current = _Run(worth, index, index + 1, len(row)) if is_row else _Run()
        if current.score > best.score:
            best = current
    return best


def _rows(
    lines: list[Line], run: _Run, delimiter: str | None, wishes: Wishes
) -> list[tuple[int, list[str]]]:
    return [
        (index, wishes.cells(lines[index].text, delimiter))
        for index in range(run.start, run.stop)
        if not wishes.skips(lines[index].text, delimiter)
    ]


def _header_rows(rows: list[tuple[int, list[str]]], decimal: str) -> int:
    """How many of the first rows are names or units that look like data: ``nm,400,410``."""
    count = min(2, len(rows) - 1)
    if parse(rows[0][1][0], decimal) is not None:
        return 0  # a bad cell in the first row, rather
    while count:
        below = list(zip(*(row for _, row in rows[count:]), strict=True))
        if any(
            parse(cell, decimal) is None and _is_numeric(column, decimal)
            for cell, column in zip(rows[count - 1][1], below, strict=True)
        ):
            return count
        count -= 1
    return 0


def _is_units_row(rows: list[tuple[int, list[str]]], decimal: str) -> bool:
    """Whether the first row is one of units among numbers, as ``Sequence,Volt,-3e-05,1e-08``."""
    (_, first), below = rows[0], list(zip(*(row for _, row in rows[1:]), strict=True))
    words = [i for i, cell in enumerate(first) if parse(cell, decimal) is None]
    return (
        0 in words
        and all(is_unit(first[i]) for i in words)
        and any(_is_numeric(below[i], decimal) for i in words)
    )


def _is_one_column(lines: list[Line], run: _Run, wishes: Wishes) -> bool:
    """Whether ``1,5`` below a single name is a number with a decimal comma."""
    above = [t.text for t in lines[: run.start] if not wishes.skips(t.text, ",")]
    rows = [row for _, row in _rows(lines, run, ",", wishes)]
    return (
        run.width == 2
        and bool(above)
        and "," not in above[-1]
        and len(split_unit(above[-1].strip())[0].split()) == 1
        and all(row[1].isdigit() for row in rows)
    )


def _is_numeric(column: tuple[str, ...], decimal: str, share: float = _MOSTLY) -> bool:
    numbers = sum(parse(cell, decimal) is not None for cell in column)
    return numbers > share * len(column) or numbers == len(column)


def reconsidered(layout: Layout, lines: list[Line], wishes: Wishes, source: str) -> Layout:
    """The layout after a look at the lines with commas, which may begin below the sample.

    Raises
    ------
    FileError
    """
    if wishes.decimal is not None or layout.delimiter == ",":
        return layout
    below = [line for line in lines if line.number >= layout.first and "," in line.text]
    chosen = [line for line in below if not wishes.skips(line.text, layout.delimiter)][:SAMPLE]
    if not chosen:
        return layout
    above = [line for line in lines[:SAMPLE] if line.number < chosen[0].number][-20:]
    told = replace(wishes, delimiter=layout.delimiter or " ", header=False)
    try:
        return replace(layout, decimal=find_layout(above + chosen, told, source).decimal)
    except FileError as error:
        if "decimal=" in error.fix and "may be" in error.message:
            raise
        return layout  # no table there: text with commas


def _refuse_ambiguous(
    lines: list[Line], delimiter: str | None, wishes: Wishes, source: str
) -> None:
    """Refuse ``1,234 5,678``, which may be thousands or decimals."""
    commas = [
        (line.number, cell)
        for line in lines
        if not wishes.skips(line.text, delimiter)
        for cell in wishes.cells(line.text, delimiter)
        if "," in cell and parse(cell, ",") is not None
    ]
    if commas and all(is_grouped(cell, ".") for _, cell in commas):
        number, cell = commas[0]
        raise FileError(
            f"{source}:{number}: {cell!r} may be {cell.replace(',', '')} or "
            f"{cell.replace(',', '.', 1)}, and no other number of the file tells.",
            "Give decimal=',' or decimal='.'.",
        )


def _no_table(lines: list[Line], wishes: Wishes, source: str) -> FileError:
    told = [line for line in lines if not wishes.skips(line.text, None)]
    if not told:
        what = "only comments and blank lines" if any(t.text.strip() for t in lines) else "nothing"
        return FileError(f"{source}: {what} in this file.", "There is no table to read.")
    row = re.split(r"[\t;,|]|\s{2,}", told[-1].text.strip())
    if len(told) <= 2:
        return FileError(
            f"{source}:{told[0].number}: a header but no rows below it.",
            "Was the measurement saved?",
        )
    return FileError(
        f"{source}: no table of numbers in this file; line {told[-1].number} begins with "
        f"{row[0][:40]!r}.",
        "Give delimiter=, decimal= or header= if there is one.",
    )
