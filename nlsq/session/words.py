"""What a user writes in one word: a number, a column, a model."""

from __future__ import annotations

import math
import re
from collections.abc import Collection


def read_number(text: str) -> float:
    """A number as people write it, with a point or a comma.

    Raises
    ------
    ValueError
        It is none, or NaN.

    Examples
    --------
    >>> read_number(" −1,5e3 ")
    -1500.0
    """
    value = float(text.replace(",", ".").replace("−", "-"))
    if math.isnan(value):
        raise ValueError(text)
    return value


def read_column(text: str) -> int | str:
    """A column by its number, or by its name."""
    return int(text) if re.fullmatch("[0-9]{1,9}", text) else text


def read_columns(text: str, names: Collection[str]) -> int | str | list[int | str]:
    """One column, or several that commas part; no comma in a name or in brackets does.

    Examples
    --------
    >>> read_columns("t, hypot(u, v)", ["t", "u", "v"]), read_columns("V, mV", ["V, mV"])
    (['t', 'hypot(u, v)'], 'V, mV')
    """
    if text in names:
        return text
    parts = [""]
    for letter in text:
        inside = sum(map(parts[-1].count, "([")) > sum(map(parts[-1].count, ")]"))
        if letter == "," and not inside:
            parts.append("")
        else:
            parts[-1] += letter
    said = [part.strip() for part in parts if part.strip()]
    found = [part if part in names else read_column(part) for part in said]
    return found if len(found) != 1 else found[0]


def read_model(text: str) -> dict[str, str]:
    """The section 'model' of the configuration that ``-m TEXT`` stands for."""
    path, colon, function = text.rpartition(":")
    if colon and path.endswith(".py"):
        return {"path": path, "function": function}
    if text.endswith(".py"):
        return {"path": text}  # which then asks for its function
    from nlsq.models.reading import is_of_models

    return {"name" if is_of_models(text) else "formula": text}
