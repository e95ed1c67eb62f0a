"""Settings of an instrument that stand beside the first rows of its data."""

from __future__ import annotations

from nlsq.io.numbers import is_missing, parse


def settings_beside(rows: list[tuple[int, list[str]]], decimal: str) -> range:
    """The columns, at the left or right end, that name settings and end above the last rows.

    The other columns are numbers in every row, so that no row is one of names.
    """
    columns = list(zip(*(row for _, row in rows), strict=True))
    while columns and not any(columns[-1]):
        columns.pop()
    whole = [
        i for i, column in enumerate(columns)
        if all(not is_missing(c) and parse(c, decimal) is not None for c in column)
    ]  # fmt: skip
    if not whole or whole != list(range(whole[0], whole[-1] + 1)):
        return range(0)
    sides = range(whole[0]), range(whole[-1] + 1, len(columns))
    found = max(sides, key=len)
    if min(map(len, sides)) or len(found) < 2 or parse(columns[found[0]][0], decimal) is not None:
        return range(0)
    last = max(i for side in found for i, cell in enumerate(columns[side]) if cell)
    return found if 0 < last < len(rows) - 1 else range(0)
