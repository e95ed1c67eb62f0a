"""JCAMP-DX files (.jdx, .dx) as tables: one spectrum, x and y with their factors applied.

Read are the forms (X++(Y..Y)), with numbers in plain (AFFN), packed (PAC), squeezed (SQZ),
difference (DIF) and duplicate-suppressed (DUP) form, and (XY..XY). What the file says of itself
(number of points, first values, the x of each line, the check value after differences) is compared
with what was read; a file that contradicts itself is refused, as is one of several spectra.
"""

from __future__ import annotations

import math
import re
from typing import NamedTuple

import numpy as np

from nlsq.io.encoding import to_utf8
from nlsq.io.errors import FileError
from nlsq.io.numbers import parse
from nlsq.io.opening import Opened, require_memory
from nlsq.io.table import Table

_RECORD = re.compile(r"\s*##([^=]*)=(.*)", re.DOTALL)
_NUMBER = r"(?:\d+\.?\d*|\.\d+)(?:[eE][+-]\d{1,3}(?!\d))?"
_X = re.compile(rf"[+-]?{_NUMBER}")
_ORDINATE = re.compile(rf"([@A-Ia-i]\d*)|([%J-Rj-r]\d*)|([S-Zs]\d*)|([+-]?{_NUMBER})|(\?)|[ \t]+")
_LETTERS = {
    letter: sign + str(digit)
    for letters, sign, first in (
        ("@ABCDEFGHI", "", 0), ("abcdefghi", "-", 1), ("%JKLMNOPQR", "", 0), ("jklmnopqr", "-", 1),
        ("STUVWXYZs", "", 1),
    )
    for digit, letter in enumerate(letters, first)
}  # fmt: skip
_FORMS = {"(X++(Y..Y))", "(XY..XY)"}
_TABLES = ("XYDATA", "XYPOINTS", "PEAKTABLE")
_UNREAD = ("NTUPLES", "RADATA", "PEAKASSIGNMENTS", "DATATABLE")
_PER_POINT = 64  # bytes while it is read
_NEAR = 1e-3  # of a first value: what programs round when they write it down


class _Data(NamedTuple):
    """A table of data as it stands in the file."""

    label: str
    form: str
    lines: list[tuple[int, str]]
    said: dict[str, str]  # the records of its block


def read_jcamp(opened: Opened, encoding: str | None = None) -> Table:
    """Read a JCAMP-DX file of one spectrum.

    Raises
    ------
    FileError
    """
    text, encoded = to_utf8(opened.bytes(), encoding, opened.name)
    block = _Block(text.decode(), opened.name)
    data = block.data
    packed = data.form == "(X++(Y..Y))"
    x, y, lines = block.ordinates() if packed else block.pairs()
    fact = f"JCAMP-DX, {data.label} {data.form}, {encoded}, numbers from line {data.lines[0][0]}"
    return Table(
        [("x", x), ("y", y)], source=opened.name, lines=lines, detected={"format": fact},
        units={name: block.said.get(f"{name.upper()}UNITS", "") for name in "xy"},
    )  # fmt: skip


class _Block:
    """The records of the one spectrum in a file, and its data."""

    def __init__(self, text: str, source: str):
        self.source = source
        said: dict[str, str] = {}
        found: list[_Data] = []
        current: _Data | None = None
        for number, line in enumerate(text.split("\n"), 1):
            line = line.split("$$", 1)[0]
            if record := _RECORD.match(line):
                label = re.sub(r"[\s/_-]", "", record.group(1)).upper()
                if label in _UNREAD:
                    raise self._error(
                        number, f"##{label}= is a form of JCAMP-DX that is not read",
                        "Export the spectrum as (X++(Y..Y)) or as CSV.",
                    )  # fmt: skip
                current = None
                if label == "TITLE":
                    said = {}
                if label in _TABLES:
                    current = _Data(label, self._form(record.group(2), number), [], said)
                    found.append(current)
                elif label:
                    said[label] = record.group(2).strip()
            elif current is not None and line.strip():
                current.lines.append((number, line.strip()))
        if len(found) != 1 or not found[0].lines:
            many = f"{len(found)} tables of data; one is read" if len(found) > 1 else "no data"
            fix = (
                "Write one spectrum per file." if len(found) > 1 else "Was it saved with its data?"
            )
            raise FileError(f"{source}: {many} in this JCAMP-DX file.", fix)
        self.data, self.said = found[0], found[0].said
        self.count = self._count()
        require_memory(_PER_POINT * self.count, source)  # "AZ999999999" is a spectrum of so many
        self.factors = tuple(self._factor(f"{name}FACTOR") for name in "XY")

    def _error(self, line: int, what: str, fix: str) -> FileError:
        return FileError(f"{self.source}:{line}: {what}.", fix)

    def _form(self, text: str, line: int) -> str:
        form = "".join(text.split()).upper()
        if form not in _FORMS:
            raise self._error(
                line, f"data in the form {form[:40] or 'without a name'} are not read",
                "Export the spectrum as (X++(Y..Y)) or as CSV.",
            )  # fmt: skip
        return form

    def number(self, label: str) -> float | None:
        """What a record says as a number; None where there is no such record."""
        text = self.said.get(label, "")
        if not text:
            return None
        value = None if "," in text else parse(text)  # decimals or thousands: nobody knows
        if not isinstance(value, float) or not math.isfinite(value):
            raise FileError(
                f"{self.source}: ##{label}= is {text[:40]!r}, not a number.", "Correct the record."
            )
        return value

    def _count(self) -> int:
        value = self.number("NPOINTS")
        if value is None or value != int(value) or value < 1:
            raise FileError(
                f"{self.source}: ##NPOINTS= does not say how many points there are, so that lost "
                "ones would not be noticed.",
                "Add the record.",
            )
        return int(value)

    def _factor(self, label: str) -> float:
        factor = self.number(label)
        if factor == 0:
            raise FileError(f"{self.source}: ##{label}= is 0.", "Correct the record.")
        return 1.0 if factor is None else factor

    def ordinates(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """x, y and lines of data in the form (X++(Y..Y))."""
        values: list[float] = []
        lines: list[int] = []
        starts: list[tuple[int, int, float, float]] = []  # line, point, x, what x is rounded to
        differences = False
        for number, line in self.data.lines:
            begin = _X.match(line)
            if begin is None or math.isinf(float(begin.group())):
                raise self._error(number, f"{line[:20]!r} begins with no x", "Correct the line.")
            had = len(values)
            previous = values[-1] if values else None
            more, is_difference = self._line(line[begin.end() :], number, had)
            if differences and more:
                if more[0] != previous:
                    raise self._error(
                        number, f"y begins with {more[0]:g}, the line above ends with "
                        f"{previous:g}; differences do not fit together", "Write the file again.",
                    )  # fmt: skip
                more = more[1:]
            values += more
            lines += [number] * (len(values) - had)
            starts.append((number, had, *_with_last_digit(begin.group())))
            differences = is_difference
        self._require_count(len(values))
        y = np.array(values) * self.factors[1]
        return self._abscissas(starts), self._checked(y, "FIRSTY"), np.array(lines)

    def _line(self, text: str, number: int, had: int) -> tuple[list[float], bool]:
        """The ordinates of a line, and whether the last was a difference."""
        out: list[float] = []
        step: float | None = None  # the last difference
        at = 0
        while at < len(text):
            token = _ORDINATE.match(text, at)
            if token is None:
                raise self._error(
                    number, f"{text[at : at + 20]!r} is no number of JCAMP-DX",
                    "Decimals are set off by a point, numbers by blanks; correct the line.",
                )  # fmt: skip
            at = token.end()
            squeezed, difference, repeat, plain, missing = token.groups()
            if repeat or difference:
                if not out:
                    raise self._error(
                        number, f"{token.group()!r} follows no number", "Write the file again."
                    )
                if difference:
                    step = float(_digits(difference))
                times = float(_digits(repeat)) - 1 if repeat else 1
                if had + len(out) + times > self.count + 1:  # and a check value
                    raise self._too_many(number)
                for _ in range(int(times)):
                    out.append(out[-1] + (step or 0.0))
            elif missing:
                out.append(math.nan)
                step = None
            elif squeezed or plain:
                out.append(float(_digits(squeezed) if squeezed else plain))
                step = None
            if had + len(out) > self.count + 1:
                raise self._too_many(number)
        return out, step is not None

    def _too_many(self, line: int) -> FileError:
        return self._error(
            line, f"more points than the {self.count:,} of ##NPOINTS=", "Correct the file."
        )

    def _require_count(self, found: int) -> None:
        if found != self.count:
            raise FileError(
                f"{self.source}: {found:,} points, but ##NPOINTS= says {self.count:,}.",
                "Was the file written to its end?",
            )

    def _checked(self, values: np.ndarray, label: str) -> np.ndarray:
        """`values`, if the record of the first one agrees."""
        said, rounding = self.number(label), abs(self.factors[label == "FIRSTY"])
        if said is not None and abs(values[0] - said) > _NEAR * abs(said) + rounding:
            raise FileError(
                f"{self.source}: ##{label}= says {said:g}, but the data times their factor begin "
                f"with {values[0]:g}.",
                f"Correct ##{label[-1]}FACTOR=, or remove the record that is wrong.",
            )
        return values

    def _abscissas(self, starts: list[tuple[int, int, float, float]]) -> np.ndarray:
        """x (m,), evenly spaced, if each line begins with the x of its place."""
        first, last, step = (self.number(label) for label in ("FIRSTX", "LASTX", "DELTAX"))
        factor, gaps = self.factors[0], max(self.count - 1, 1)
        first = starts[0][2] * factor if first is None else first
        if last is None:
            if step is None and self.count > 1:
                raise FileError(
                    f"{self.source}: without ##LASTX= or ##DELTAX= nothing says how x goes on.",
                    "Add one of the records.",
                )
            last = first + gaps * (step or 0.0)
        step = (last - first) / gaps
        if step == 0 and self.count > 1:
            raise FileError(f"{self.source}: x does not change: it is {first:g}.", "Correct LASTX.")
        for line, point, written, digit in starts:
            expected = first + min(point, self.count - 1) * step
            # programs write the x of the first new value or, after differences, of the one before
            if abs(written * factor - expected) > 1.01 * abs(step) + abs(factor) * digit:
                raise self._error(
                    line, f"x is {written * factor:g} (with ##XFACTOR=), but point {point + 1:,} "
                    f"from ##FIRSTX= to ##LASTX= is at {expected:g}",
                    "Correct the factor or the record that is wrong.",
                )  # fmt: skip
        return np.linspace(first, last, self.count)

    def pairs(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """x, y and lines of data in the form (XY..XY)."""
        values: list[tuple[float, float]] = []
        lines: list[int] = []
        for number, line in self.data.lines:
            groups = line.split(";") if ";" in line else [line]
            for group in groups:
                cells = group.replace(",", " ").split()
                numbers = [parse(cell) for cell in cells]
                if len(cells) % 2 or not all(isinstance(v, float) for v in numbers):
                    raise self._error(number, f"{group[:40]!r} is no pair x,y", "Correct the line.")
                values += zip(numbers[::2], numbers[1::2], strict=True)
                lines += [number] * (len(cells) // 2)
        self._require_count(len(values))
        x, y = (
            np.array(v) * f for v, f in zip(zip(*values, strict=True), self.factors, strict=True)
        )
        return self._checked(x, "FIRSTX"), self._checked(y, "FIRSTY"), np.array(lines)


def _digits(token: str) -> str:
    """A number whose first digit and sign are written as one letter."""
    return _LETTERS[token[0]] + token[1:]


def _with_last_digit(text: str) -> tuple[float, float]:
    """A number, and one unit of the last digit that it is written with."""
    mantissa, _, exponent = text.lower().partition("e")
    decimals = len(mantissa.partition(".")[2])
    return float(text), float(f"1e{int(exponent or 0) - decimals}")
