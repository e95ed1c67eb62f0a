"""Columns from cells that are Python objects, as JSON and Excel have them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from nlsq.io.errors import FileError
from nlsq.io.numbers import parse

_MOST_TEXT = 1 << 30  # bytes of a column of text


def column_of(values: Sequence[Any]) -> np.ndarray:
    """Integers, float64 (None is NaN; so are words for infinity and "nan") or text.

    Examples
    --------
    >>> column_of([1, None, "inf"]), column_of(["a", None, 2]), column_of([1, 2])
    (array([ 1., nan, inf]), array(['a', '', '2'], dtype='<U1'), array([1, 2]))
    """
    kinds = {type(v) for v in values}
    if kinds and kinds <= {bool}:
        return np.array(values)
    if kinds and kinds <= {int, bool} and all(abs(v) < 2**63 for v in values):
        return np.array(values, dtype=np.int64)
    numbers = [_number(v) for v in values]
    if all(n is not None for n in numbers):
        return np.array(numbers)
    return text_column(["" if v is None else str(v).strip() for v in values], "a column")


def text_column(cells: Sequence[str], name: str) -> np.ndarray:
    """Cells of text as an array, which takes as much for each as for the longest one.

    Raises
    ------
    FileError
        One cell is so long that they do not fit into memory.
    """
    longest = max(cells, key=len, default="")
    if 4 * len(longest) * len(cells) > _MOST_TEXT:
        row = list(cells).index(longest) + 1
        raise FileError(
            f"{name}: the text in row {row:,} of the table has {len(longest):,} characters, too "
            f"many for a column of {len(cells):,} rows; it begins with {longest[:20]!r}.",
            "Shorten it or leave the column out.",
        )
    return np.array(cells, dtype=str)


def _number(value: Any) -> float | complex | None:
    if value is None:
        return float("nan")
    if isinstance(value, (int, float)):
        return _as_float(value)
    return parse(value.strip()) if isinstance(value, str) else None


def _as_float(value: float) -> float:
    try:
        return float(value)
    except OverflowError:
        return float("inf") if value > 0 else float("-inf")
