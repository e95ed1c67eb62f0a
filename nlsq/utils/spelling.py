"""Names as Python spells them: the micro sign and the letter µ are one name in a program."""

from __future__ import annotations

from typing import Any


def spelled(name: Any, names: tuple[str, ...]) -> str | None:
    """The one of the names of parameters that is meant; None when it is none of them.

    A program has its names in the Unicode form NFKC, whatever was typed; a text has what was typed.

    Examples
    --------
    >>> spelled("\\u00b5", ("a", "\\u03bc")) == "\\u03bc"
    True
    """
    if name in names:
        return name
    if isinstance(name, str) and not name.isascii():
        import unicodedata

        name = unicodedata.normalize("NFKC", name)
        return name if name in names else None
    return None
