"""`read_table`: a file of any known format as a table."""

from __future__ import annotations

import os
from typing import Any, BinaryIO

from nlsq.io.errors import FileError
from nlsq.io.layout import Wishes
from nlsq.io.opening import Opened, find_format, open_source
from nlsq.io.table import Table
from nlsq.utils.input_error import did_you_mean

_TEXT = {"text": None, "csv": None, "tsv": "\t", "txt": None, "dat": None}
_FORMATS = {
    **dict.fromkeys(_TEXT, "text"),
    "json": "json", "hdf5": "hdf5", "h5": "hdf5", "npz": "npz", "npy": "npy",
    "parquet": "parquet", "feather": "feather", "arrow": "feather",
    "excel": "excel", "xlsx": "excel", "jcamp": "jcamp", "jdx": "jcamp",
}  # fmt: skip
#: Which options a format knows; an option that would be ignored is an error.
_OPTIONS = {
    "text": {"delimiter", "decimal", "encoding", "header", "comment", "skip"},
    "json": {"encoding"},
    "jcamp": {"encoding"},
    "hdf5": {"group"},
    "excel": {"sheet", "header", "skip"},
}


def read_table(
    source: str | os.PathLike | BinaryIO,
    *,
    format: str | None = None,
    delimiter: str | None = None,
    decimal: str | None = None,
    encoding: str | None = None,
    header: bool | int | None = None,
    comment: str | None = None,
    skip: int | None = None,
    sheet: str | int | None = None,
    group: str | None = None,
    rows: slice | None = None,
) -> Table:
    """Read a file as a table of named columns.

    What is not given is found out, and told in ``table.detected``.

    Parameters
    ----------
    source : path or binary stream
        CSV and other text, JSON, HDF5, NPZ/NPY, Parquet, Feather (Arrow), Excel or JCAMP-DX; told
        apart by content. gzip, bzip2 and xz are opened on the way.
    format : str, optional
        "text" (or "csv", "tsv"), "json", "hdf5", "npz", "npy", "parquet", "feather", "excel",
        "jcamp".
    delimiter : str, optional
        One character, or " " for any run of blanks. For text.
    decimal : {".", ","}, optional
        For text.
    encoding : str, optional
        For text, JSON and JCAMP-DX, e.g. "latin-1".
    header : bool or int, optional
        True: names are in the first line that is no comment; False: there are none, and columns
        are called c0, c1, ...; a number: in this line of the file, from 1. For text and Excel.
    comment : str, optional
        What begins a comment; "" for no comments. Default: a line that begins with #, %, //, !
        or ;, and what follows " #" or " //" in a line. For text.
    skip : int, optional
        How many lines (of Excel: rows) at the beginning to pass over.
    sheet : str or int, optional
        Of an Excel file, by name or number from 0. Default: the first with numbers.
    group : str, optional
        Of an HDF5 file; names of columns are then relative to it.
    rows : slice, optional
        Which rows to take.

    Returns
    -------
    Table
        Columns are float64, complex, integers or text ('' where a cell is empty); an empty
        numeric cell is NaN.

    Raises
    ------
    FileError
        What is wrong, in which file and line, and how to mend it.
    InputError
        The format needs a package that is not installed.
    TypeError, ValueError
        An option is of a wrong type, or the format does not know it.

    Examples
    --------
    >>> import io
    >>> text = "Instrument 7; run 3\\n\\nt (s);V (mV)\\n0,0;1,5\\n0,5;0,9\\n".encode()
    >>> table = read_table(io.BytesIO(text))
    >>> table.names, table.units, table["V"].tolist(), table.line(0)
    (['t', 'V'], {'t': 's', 'V': 'mV'}, [1.5, 0.9], 4)
    >>> print(table.detected["format"])
    text, ';' separated, decimal comma, UTF-8, header in line 3, numbers from line 4
    """
    if format is not None and str(format).lower() not in _FORMATS:
        raise ValueError(
            f"format={format!r} is not known"
            + did_you_mean(format, _FORMATS, f"; there are {', '.join(sorted(_FORMATS))}.")
        )
    options = {
        "delimiter": delimiter, "decimal": decimal, "encoding": encoding, "header": header,
        "comment": comment, "skip": skip, "sheet": sheet, "group": group,
    }  # fmt: skip
    options = {name: value for name, value in options.items() if value is not None}
    _check(options)
    opened = open_source(source)
    kind = find_format(opened) if format is None else _FORMATS[format.lower()]
    if unknown := sorted(set(options) - _OPTIONS.get(kind, set())):
        raise ValueError(f"{opened.name} is a {kind} file, for which {unknown[0]}= means nothing")
    if format is not None and "delimiter" not in options and _TEXT.get(format.lower()):
        options["delimiter"] = _TEXT[format.lower()]
    table = _read(kind, opened, options)
    if opened.compression:
        table.detected["format"] += f", compressed with {opened.compression}"
    if not table.names:
        raise FileError(f"{opened.name}: no columns in this file.")
    if not table.n_rows:
        raise FileError(
            f"{opened.name}: columns {', '.join(table.names[:8])}, but no rows.",
            "Was the measurement saved?",
        )
    return table if rows is None else table.take(rows)


def ways_to_read(
    source: str | os.PathLike | BinaryIO, format: str | None = None
) -> dict[str, list[str]]:
    """The options of `read_table` that a file knows, and what is known that they can be.

    Parameters
    ----------
    source, format
        As for `read_table`.

    Raises
    ------
    FileError, InputError

    Examples
    --------
    >>> import io
    >>> sorted(ways_to_read(io.BytesIO(b"t,V\\n1,2\\n")))
    ['comment', 'decimal', 'delimiter', 'encoding', 'header', 'skip']
    """
    opened = open_source(source)
    kind = _FORMATS.get(str(format).lower()) or find_format(opened)
    found: dict[str, list[str]] = {name: [] for name in sorted(_OPTIONS.get(kind, ()))}
    if kind == "excel":
        from nlsq.io.excel import sheets

        found["sheet"] = sheets(opened)
    elif kind == "hdf5":
        from nlsq.io.hdf5 import groups

        found["group"] = groups(opened)
    return found


def _check(options: dict[str, Any]) -> None:
    if (delimiter := options.get("delimiter")) is not None and len(delimiter) != 1:
        raise ValueError(f"delimiter is one character, got {delimiter!r}")
    if delimiter is not None and delimiter in '\r\n"':
        raise ValueError(f"delimiter cannot be {delimiter!r}, which ends lines or quotes cells")
    if (decimal := options.get("decimal")) is not None and decimal not in (".", ","):
        raise ValueError(f"decimal is '.' or ',', got {decimal!r}")
    if decimal is not None and decimal == delimiter:
        raise ValueError(f"delimiter and decimal cannot both be {decimal!r}")
    for name in ("skip", "header"):
        value = options.get(name)
        if value is not None and (not isinstance(value, int) or value < 0):
            raise ValueError(f"{name} is a number of lines, got {value!r}")


def _read(kind: str, opened: Opened, options: dict[str, Any]) -> Table:
    if kind == "text":
        from nlsq.io.text import read_text

        skip, encoding = options.pop("skip", None), options.pop("encoding", None)
        wishes = Wishes(**options)
        return read_text(opened.bytes(), opened.name, wishes=wishes, encoding=encoding, skip=skip)
    if kind == "json":
        from nlsq.io.json_tables import read_json

        return read_json(opened, **options)
    if kind == "jcamp":
        from nlsq.io.jcamp import read_jcamp

        return read_jcamp(opened, **options)
    if kind in ("npy", "npz"):
        from nlsq.io import arrays

        return getattr(arrays, f"read_{kind}")(opened)
    if kind == "hdf5":
        from nlsq.io.hdf5 import read_hdf5

        return read_hdf5(opened, **options)
    if kind == "excel":
        from nlsq.io.excel import read_excel

        return read_excel(opened, **options)
    from nlsq.io import arrow

    return getattr(arrow, f"read_{kind}")(opened)
