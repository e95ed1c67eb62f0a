"""Rows that are left out of a fit: by their numbers, and by a range of x."""

from __future__ import annotations

import re

import numpy as np

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
