"""What a person is asked for of the data, and what may be typed there: entries of settings."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from nlsq.io import Table, ways_to_read
from nlsq.session.configuration import WINDOW, settings_of
from nlsq.session.masks import read_range
from nlsq.session.points import column, condition, groups
from nlsq.session.words import read_column, read_columns
from nlsq.utils.input_error import InputError

_NUMBERS = ("csv.skip_header", "sheet")  # what may be said by number


class Field(NamedTuple):
    """One of them.

    Attributes
    ----------
    key : str
        In the section 'data' of the settings.
    words : dict of str to object or None
        What it may be, in words; what else is typed is taken as it is. None: only typed.
    """

    title: str
    tip: str
    key: str
    words: Mapping[str, Any] | None = None


def _same(*words: str) -> dict[str, str]:
    return {word: word for word in words}


_EXPRESSION = "An expression of columns may be typed too, such as log(V)."
CHOICE = {
    "column x": Field(
        "x", f"The independent variable; several, parted by commas. {_EXPRESSION}", "columns.x", {}
    ),
    "column y": Field("y", f"What is fitted. {_EXPRESSION}", "columns.y", {}),
    "column sigma": Field(
        "Error of y", f"One standard deviation of y, or none. {_EXPRESSION}", "columns.sigma", {}
    ),
    "column group": Field(
        "Group", "Rows with equal values in this column are a curve of their own.",
        "columns.group", {},
    ),
    "where": Field(
        "Rows where", "Only rows for which this is true, such as t > 3 and who == 'A'.", "where"
    ),
    "rows": Field("Rows", "A range of rows from 0, such as 10:200, or 0:1000:2.", "rows"),
    "exclude": Field(
        "Rows left out", "Numbers of rows of the file, such as 3,7,10-20; the mouse finds them.",
        "exclude",
    ),
    "x range": Field(
        "Range of x", "Where x is fitted, ends included, such as 2.5:7, or 2.5: for an open side.",
        "x_range",
    ),
}  # fmt: skip
READING = {
    "format": Field(
        "Format", "What kind of file it is.", "format",
        _same("csv", "json", "hdf5", "npz", "npy", "parquet", "arrow", "excel", "jcamp"),
    ),
    "delimiter": Field(
        "Separator", "What parts the cells of a row.", "csv.delimiter",
        {"comma": ",", "semicolon": ";", "tab": "\t", "blanks": " ", "bar": "|"},
    ),
    "decimal": Field(
        "Decimal sign", "What parts whole and tenths.", "csv.decimal", {"point": ".", "comma": ","}
    ),
    "header": Field(
        "Names above", "Whether the columns are named above them.", "csv.header",
        {"yes": True, "no": False},
    ),
    "encoding": Field(
        "Encoding", "How letters are written, in names and units.", "csv.encoding",
        _same("utf-8", "cp1252", "latin-1", "utf-16"),
    ),
    "comment": Field(
        "Comment mark", "What begins a line that is no row.", "csv.comment",
        _same("#", "%", "//", ";"),
    ),
    "skip": Field("Lines to skip", "So many at the beginning are no rows.", "csv.skip_header", {}),
    "sheet": Field("Sheet", "Which one of the workbook has the table.", "sheet", {}),
    "group": Field("Group", "Which one of the file holds the columns.", "group", {}),
}  # fmt: skip


def read_field(key: str, text: str, known: Collection[str]) -> Any:
    """What is typed for an entry of the section 'data', where some names are known."""
    if key.startswith("columns"):
        columns = read_columns(text, known)
        return text if isinstance(columns, list) and key != "columns.x" else columns
    if key == "x_range":
        try:
            return read_range(text)
        except ValueError:
            return text  # which `refusal` explains
    return read_column(text) if key in _NUMBERS and text not in known else text


def written(value: Any, words: Mapping[str, Any] = MappingProxyType({})) -> str:
    """What is typed for a value."""
    if isinstance(value, list) and {type(v) for v in value} <= {float, int, type(None)}:
        return ":".join("" if v is None else repr(v) for v in value)  # a range of x
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return next((word for word, one in words.items() if one == value), str(value))


def refusal(file: Table | None, key: str, value: Any) -> InputError | None:
    """Why an entry cannot be; None where it can. What is at a position is in its `text`."""
    if file is None and (key == "where" or key.startswith("columns")):
        return None  # nothing is read that could have it
    part = value
    try:
        if key == "columns.group" and value is not None:
            groups(file, value)
        elif key.startswith("columns") and value is not None:
            for part in value if isinstance(value, list) else [value]:
                column(file, part)
        elif key == "where" and value is not None:
            condition(file, value)
        elif value is not None:
            section, _, last = key.rpartition(".")
            data = {"input_file": "-"} | ({section: {last: value}} if section else {key: value})
            settings_of({"data": data})
    except InputError as error:
        error.message = error.message.removeprefix(f"{WINDOW}: ").removeprefix("data.")
        error.text = str(part)
        return error
    return None


def ways(path: str | None, format: str | None) -> dict[str, list[str]]:
    """The options that a file is read with, and what each can be; none where it cannot be read."""
    try:
        return {} if path is None else ways_to_read(path, format)
    except InputError:  # which the problem of the data says
        return {}
