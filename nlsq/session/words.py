"""What a user writes in one word: a column, a model."""

from __future__ import annotations

import re


def read_column(text: str) -> int | str:
    """A column by its number, or by its name."""
    return int(text) if re.fullmatch("[0-9]{1,9}", text) else text


def read_model(text: str) -> dict:
    """The section of the configuration that such a text stands for."""
    from nlsq.session.settings import Model

    return Model.parse(text)
