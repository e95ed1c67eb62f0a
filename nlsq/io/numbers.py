"""Numbers as instruments and programs write them."""

from __future__ import annotations

import math
import re

# Possessive (*+, ++, ?+): what is matched is not given back, so that time is linear in the text.
_UNSIGNED = r"(?:\d++(?:\.\d*+)?+|\.\d++)(?:[eEdDqQ][+-]?\d++)?+"
_PLAIN = re.compile(rf"[+-]?{_UNSIGNED}")
_NO_LETTER = re.compile(r"([+-]?\d*+\.\d++)([+-]\d{3})")  # Fortran's 1.5-103
_COMPLEX = re.compile(rf"(?:([+-]? *+{_UNSIGNED}) *+(?=[+-]))?([+-]? *+{_UNSIGNED}) *+[ijIJ]")
_GROUPED = {
    ".": re.compile(r"[+-]?[1-9]\d{0,2}(?:,\d{3})+(?:\.\d*)?"),
    ",": re.compile(r"[+-]?[1-9]\d{0,2}(?:\.\d{3})+(?:,\d*)?"),
}
_FORTRAN = str.maketrans("dDqQ", "eeee")
_MINUS = str.maketrans({"−": "-", "–": "-"})

#: Words for "no value"; an empty cell is one too.
MISSING = frozenset(
    ["", *(
        "na n/a n.a. nan -nan +nan null none nil missing <na> #n/a #na #nv #div/0! #value! #num! "
        "#ref! #name? #null! - -- --- ? 1.#qnan -1.#qnan 1.#ind -1.#ind nan(ind) -nan(ind)"
    ).split()]
)  # fmt: skip
_INFINITE = {
    sign + word: float(sign + "inf")
    for sign in ("", "+", "-")
    for word in ("inf", "infinity", "infinite", "1.#inf", "∞")
}


def is_missing(text: str) -> bool:
    """Whether a cell says that it has no value.

    Examples
    --------
    >>> [is_missing(cell) for cell in ("", "NA", "#DIV/0!", "0")]
    [True, True, True, False]
    """
    return text.lower() in MISSING


def is_grouped(text: str, decimal: str) -> bool:
    """Whether thousands are set off: 1,234.5, or 1.234,5 with a decimal comma."""
    return _GROUPED[decimal].fullmatch(text) is not None


def parse(text: str, decimal: str = ".") -> float | complex | None:
    """The value of a cell; NaN for a missing one, None for text.

    Parameters
    ----------
    text : str
        Without blanks around it.
    decimal : {".", ","}

    Examples
    --------
    >>> parse("1.0D+03"), parse("1.234,5", ","), parse("1,234.5"), parse("-inf")
    (1000.0, 1234.5, 1234.5, -inf)
    >>> parse("(1 - 2j)"), parse("12j"), parse("n/a"), parse("1_000"), parse("volt")
    ((1-2j), 12j, nan, None, None)
    """
    lower = text.lower()
    if lower in MISSING:
        return math.nan
    if lower in _INFINITE:
        return _INFINITE[lower]
    text = text.translate(_MINUS)
    if _GROUPED[decimal].fullmatch(text):
        text = text.replace("," if decimal == "." else ".", "").replace(",", ".")
    elif decimal == ",":
        if "." in text:
            return None
        text = text.replace(",", ".")
    if _PLAIN.fullmatch(text):
        return float(text.translate(_FORTRAN))
    if found := _NO_LETTER.fullmatch(text):
        return float("e".join(found.groups()))
    inner = text[1:-1].strip() if text.startswith("(") and text.endswith(")") else text
    if found := _COMPLEX.fullmatch(inner):
        parts = ((part or "0").replace(" ", "").translate(_FORTRAN) for part in found.groups())
        return complex(*map(float, parts))
    return None
