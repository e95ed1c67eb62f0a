"""Rows that are left out of a fit: by their numbers, and by a range of x."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

import numpy as np

from nlsq.session.words import read_number

_PART = re.compile(r"([0-9]{1,15})(?:-([0-9]{1,15}))?")


def read_rows(text: str) -> list[tuple[int, int]]:
    """The first and last number of each range of a text such as "3,7,10-20".

    Raises
    ------
    ValueError
    """
    found = []
    for part in text.split(","):
        match = _PART.fullmatch(part.strip())
        if match is None:
            raise ValueError(
                f'{part.strip()!r} is no row: exclude is numbers of rows from 0, "3,7,10-20"'
            )
        found.append((int(match[1]), int(match[2] or match[1])))
    return found


def read_range(text: str) -> list[float | None]:
    """The sides of a range such as "2.5:7"; None for one that is empty.

    Raises
    ------
    ValueError
    """
    low, colon, high = text.partition(":")
    if not colon:
        raise ValueError(f"{text!r} is not LOW:HIGH; either side may be empty")
    return [_number(side) if side.strip() else None for side in (low, high)]


def _number(text: str) -> float:
    try:
        return read_number(text)
    except ValueError:
        raise ValueError(f"{text.strip()!r} is not a number") from None


def write_rows(rows: np.ndarray) -> str | None:
    """The text of these rows (k,), which rise; None where there are none."""
    if not rows.size:
        return None
    runs = np.split(rows, np.flatnonzero(np.diff(rows) > 1) + 1)
    return ",".join(f"{r[0]}" if r.size == 1 else f"{r[0]}-{r[-1]}" for r in runs)


def changed(text: str | None, numbers: np.ndarray, out: bool | None) -> str | None:
    """The text with these rows taken in (`out`), taken away, or, None, each the other way round."""
    parts = [np.arange(first, last + 1) for first, last in read_rows(text)] if text else []
    before = np.concatenate([np.empty(0, np.int64), *parts])
    change = {True: np.union1d, False: np.setdiff1d, None: np.setxor1d}[out]
    return write_rows(change(before, np.unique(numbers)))


def among(text: str | None, numbers: np.ndarray) -> np.ndarray:
    """Which of the rows `numbers` (m,) are named: bool (m,)."""
    if text is None or not numbers.size:
        return np.zeros(numbers.size, bool)
    named = np.zeros(int(numbers.max()) + 1, bool)
    for first, last in read_rows(text):
        named[first : last + 1] = True
    return named[numbers]


def inside(limits: tuple[float | None, float | None] | None, x: np.ndarray) -> np.ndarray:
    """Which x (m,) are in a range, its ends included: bool (m,)."""
    low, high = limits or (None, None)
    within = np.ones(x.size, bool)
    if low is not None:
        within &= x >= low
    if high is not None:
        within &= x <= high
    return within


def nearest(
    x: np.ndarray, y: np.ndarray, at: tuple[float, float], pixel: tuple[float, float], reach: float
) -> np.ndarray:
    """Which point (0 or 1 of them) is nearest to a place, and not further than `reach` pixels."""
    with np.errstate(all="ignore"):
        far = np.hypot((x - at[0]) / pixel[0], (y - at[1]) / pixel[1])
    if not np.isfinite(far).any():
        return np.empty(0, np.int64)
    near = np.array([np.nanargmin(far)])
    return near[far[near] <= reach]


def in_box(x: np.ndarray, y: np.ndarray, box: tuple[float, float, float, float]) -> np.ndarray:
    """Which points are in a rectangle: left, low, right, high."""
    left, low, right, high = box
    return np.flatnonzero((x >= left) & (x <= right) & (y >= low) & (y <= high))


def rounded(limits: Sequence[float], ends: Sequence[float], seen: float) -> list[float | None]:
    """A range with the digits that a plot of this width resolves; open where it leaves the ends."""
    digits = 3 - math.floor(math.log10(seen))
    low, high = sorted(map(float, limits))
    first, last = None if low <= ends[0] else low, None if high >= ends[1] else high
    return [None if v is None else round(v, digits) for v in (first, last)]
