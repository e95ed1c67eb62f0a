"""A plot of data and fit made of characters.

The fit is a line of Braille dots, eight to a cell; data points are marks, one to a cell, or Braille
dots too where marks would cover a quarter of the cells.
"""

from __future__ import annotations

import itertools
import math
import operator
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from rich.text import Text

_BRAILLE = 0x2800
# Bit of the dot in row (0-3 from the top) and column (0-1) of a Braille cell.
_DOTS = np.array([[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]])
FIT_STYLE, DATA_STYLE, AXIS_STYLE = "cyan", "bold yellow", "dim"


@dataclass(frozen=True)
class Axis:
    """A range of values with round tick marks in it."""

    low: float
    high: float
    ticks: tuple[float, ...]
    labels: tuple[str, ...]

    def at(self, values: np.ndarray) -> np.ndarray:
        """Positions of `values` on the axis, 0 to 1."""
        return (values - self.low) / (self.high - self.low)


def axis(low: float, high: float, most: int) -> Axis:
    """The axis of `low` to `high` with at most `most` ticks, 1, 2, 2.5 or 5 times 10**k apart."""
    if not low < high:  # a constant: some room on both sides
        room = abs(low) * 0.1 or 1.0
        low, high = low - room, high + room
    power = 10.0 ** math.floor(math.log10((high - low) / most))
    for step in (f * power for f in (1, 2, 2.5, 5, 10, 20)):
        first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
        if last - first < most:
            break
    ticks = tuple(i * step for i in range(first, last + 1))
    return Axis(low, high, ticks, _labels(ticks, step))


def _labels(ticks: Sequence[float], step: float) -> tuple[str, ...]:
    """The fewest digits that tell the ticks apart and exactly."""
    decimals = next((d for d in range(5) if math.isclose(step, round(step, d))), 5)
    if decimals < 5 and max(map(abs, ticks), default=0.0) < 1e6:
        return tuple(f"{t:.{decimals}f}" for t in ticks)
    for digits in range(16):
        labels = tuple("0" if t == 0 else f"{t:.{digits}e}" for t in ticks)
        exact = (math.isclose(float(a), t) for a, t in zip(labels, ticks, strict=True))
        if all(exact):
            break
    return labels


class Canvas:
    """Cells of characters, drawn on in fractions of its width and height."""

    def __init__(self, width: int, height: int, ascii_only: bool):
        self.width, self.height, self.ascii_only = width, height, ascii_only
        self._dots = np.zeros((height, width), dtype=int)
        self._dot_style = np.full((height, width), "", dtype=object)
        self._marks: dict[tuple[int, int], tuple[str, str]] = {}

    def dots(self, u: np.ndarray, v: np.ndarray, style: str) -> None:
        """Braille dots at (u, v), both 0 to 1; what lies outside is left out."""
        inside = (u >= 0) & (u <= 1) & (v >= 0) & (v <= 1)
        column = np.minimum((u[inside] * self.width * 2).astype(int), self.width * 2 - 1)
        row = np.minimum(((1 - v[inside]) * self.height * 4).astype(int), self.height * 4 - 1)
        np.bitwise_or.at(self._dots, (row // 4, column // 2), _DOTS[row % 4, column % 2])
        self._dot_style[row // 4, column // 2] = style

    def line(self, u: np.ndarray, v: np.ndarray, style: str) -> None:
        """A line through the points (u, v), in the order given."""
        finite = np.isfinite(u) & np.isfinite(v)
        u, v = u[finite], np.clip(v[finite], -1, 2)
        if u.size < 2:
            return self.dots(u, v, style)
        steps = np.maximum(abs(np.diff(u)) * self.width * 2, abs(np.diff(v)) * self.height * 4)
        along = np.concatenate([[0], np.cumsum(np.ceil(steps) + 1)])
        fine = np.arange(along[-1] + 1)
        self.dots(np.interp(fine, along, u), np.interp(fine, along, v), style)

    def marks(self, u: np.ndarray, v: np.ndarray, mark: str, style: str) -> None:
        """The character `mark` at each (u, v)."""
        for a, b in zip(u, v, strict=True):
            if 0 <= a <= 1 and 0 <= b <= 1:
                column = min(int(a * self.width), self.width - 1)
                row = min(int((1 - b) * self.height), self.height - 1)
                self._marks[row, column] = (mark, style)

    def row(self, index: int) -> Text:
        """One row of characters with their styles."""
        text = Text()
        cells = (self._cell(index, column) for column in range(self.width))
        for style, run in itertools.groupby(cells, operator.itemgetter(1)):
            text.append("".join(mark for mark, _ in run), style)
        return text

    def _cell(self, row: int, column: int) -> tuple[str, str | None]:
        if (row, column) in self._marks:
            return self._marks[row, column]
        if not (dots := self._dots[row, column]):
            return " ", None
        return "." if self.ascii_only else chr(_BRAILLE + dots), self._dot_style[row, column]


@dataclass(frozen=True)
class Series:
    """Points (x, y) of the data and a line through the model."""

    x: np.ndarray
    y: np.ndarray
    line_x: np.ndarray
    line_y: np.ndarray
    x_label: str
    y_label: str
    data_name: str = "data"
    line_name: str = "fit"


def panels(stack: Sequence[tuple[Series, int]], width: int, ascii_only: bool = False) -> Text:
    """Draw series below each other, each in its number of rows, with one x axis for all.

    Parameters
    ----------
    stack : sequence of (Series, int)
        What to draw and the rows for it, without the axis; the x label is the last one's.
    width : int
        Columns in all.
    ascii_only : bool
        Use no character outside ASCII.
    """
    y_axes = [
        axis(*_range(np.concatenate([s.y, s.line_y]), 0.04), max(rows // 3, 4)) for s, rows in stack
    ]
    margin = max(len(label) for y_axis in y_axes for label in (*y_axis.labels, "0"))
    columns = max(width - margin - 2, 10)
    every_x = np.concatenate([part for s, _ in stack for part in (s.x, s.line_x)])
    x_axis = axis(*_range(every_x, 0.02), max(columns // 9, 2))
    lines: list[Text] = []
    for (series, rows), y_axis in zip(stack, y_axes, strict=True):
        canvas = Canvas(columns, rows, ascii_only)
        crowded = _draw(canvas, series, x_axis, y_axis)
        lines += [Text("")] if lines else []
        lines += [_legend(canvas, crowded, series, margin), *_framed(canvas, y_axis, margin)]
    lines += _below(x_axis, canvas, margin)
    lines.append(Text(" " * (margin + 2) + stack[-1][0].x_label.center(columns).rstrip(), "bold"))
    return Text("\n").join(lines)


def _draw(canvas: Canvas, series: Series, x_axis: Axis, y_axis: Axis) -> bool:
    """Draw line and data; True if the data are so many that they are dots."""
    canvas.line(x_axis.at(series.line_x), y_axis.at(series.line_y), FIT_STYLE)
    u, v = x_axis.at(series.x), y_axis.at(series.y)
    crowded = series.x.size > canvas.width * canvas.height / 4
    if crowded:
        canvas.dots(u, v, DATA_STYLE)
        over = _along_line(x_axis, y_axis, series, canvas.width)
        canvas.marks(*over, _fit_mark(canvas), FIT_STYLE)
    else:
        canvas.marks(u, v, _data_mark(canvas), DATA_STYLE)
    return crowded


def _range(values: np.ndarray, room: float) -> tuple[float, float]:
    values = values[np.isfinite(values)]
    low, high = (float(values.min()), float(values.max())) if values.size else (0.0, 1.0)
    return low - room * (high - low), high + room * (high - low)


def _data_mark(canvas: Canvas) -> str:
    return "o" if canvas.ascii_only else "●"


def _fit_mark(canvas: Canvas) -> str:
    return "#" if canvas.ascii_only else "━"


def _along_line(x_axis: Axis, y_axis: Axis, series: Series, columns: int):
    u = (np.arange(0, columns, 2) + 0.5) / columns  # every second: the data show between
    order = np.argsort(series.line_x)
    line_u, line_v = x_axis.at(series.line_x[order]), y_axis.at(series.line_y[order])
    u = u[(u >= line_u[0]) & (u <= line_u[-1])]
    return u, np.interp(u, line_u, line_v)


def _legend(canvas: Canvas, crowded: bool, series: Series, margin: int) -> Text:
    dot = "." if canvas.ascii_only else "⠒"
    data, line = (dot * 2, _fit_mark(canvas)) if crowded else (_data_mark(canvas), dot * 2)
    text = Text(" " * (margin + 2))
    text.append(series.y_label, "bold")
    text.append("   ")
    text.append(data, DATA_STYLE)
    text.append(f" {series.data_name}   ")
    text.append(line, FIT_STYLE)
    text.append(f" {series.line_name}")
    return text


def _framed(canvas: Canvas, y_axis: Axis, margin: int) -> list[Text]:
    at = np.minimum((1 - y_axis.at(np.array(y_axis.ticks))) * canvas.height, canvas.height - 1)
    labels = {int(row): label for row, label in zip(at, y_axis.labels, strict=True)}
    plain, tick = ("|", "+") if canvas.ascii_only else ("│", "┤")
    framed = []
    for index in range(canvas.height):
        label = labels.get(index, "")
        line = Text(f"{label:>{margin}} ")
        line.append(tick if label else plain, AXIS_STYLE)
        framed.append(line + canvas.row(index))
    return framed


def _below(x_axis: Axis, canvas: Canvas, margin: int) -> list[Text]:
    corner, rule, tick = ("+", "-", "+") if canvas.ascii_only else ("└", "─", "┬")
    cells, labels = [rule] * canvas.width, [" "] * (canvas.width + margin + 2)
    columns = np.minimum(x_axis.at(np.array(x_axis.ticks)) * canvas.width, canvas.width - 1)
    for column, label in zip(columns.astype(int), x_axis.labels, strict=True):
        cells[column] = tick
        start = margin + 2 + column - (len(label) - 1) // 2
        if start + len(label) <= len(labels) and not "".join(labels[start - 1 : start]).strip():
            labels[start : start + len(label)] = label
    line = Text(" " * (margin + 1))
    line.append(corner + "".join(cells), AXIS_STYLE)
    return [line, Text("".join(labels).rstrip())]
