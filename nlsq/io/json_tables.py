"""JSON files as tables.

Forms: columns ``{"t": [...], "V": [...]}``; records ``[{"t": 0, "V": 1}, ...]``, also one a line;
rows ``[[0, 1], ...]``, also with the names in the first; ``{"columns": [...], "data": [[...]]}``;
and any of them under one key of an object with other facts.
"""

from __future__ import annotations

import json
from typing import Any

from nlsq.io.cells import column_of
from nlsq.io.encoding import to_utf8
from nlsq.io.errors import FileError
from nlsq.io.headings import split_unit
from nlsq.io.opening import Opened, require_memory
from nlsq.io.table import MOST_COLUMNS, Table, too_many_columns

_FACTOR = 12  # bytes of Python objects per byte of text


def read_json(opened: Opened, encoding: str | None = None) -> Table:
    """Read a JSON file.

    Raises
    ------
    FileError
    """
    raw = opened.bytes()
    require_memory(_FACTOR * len(raw), opened.name)
    data, _ = to_utf8(raw, encoding, opened.name)
    document = _parsed(data.decode(), opened.name)
    found = _columns(document, opened.name)
    if found is None:
        raise FileError(
            f"{opened.name}: no table in this JSON file.",
            'Write columns {"t": [...], "V": [...]} or records [{"t": 0, "V": 1}, ...].',
        )
    form, columns = found
    if len(columns) > MOST_COLUMNS:
        raise too_many_columns(opened.name, len(columns))
    split = [split_unit(str(name)) for name, _ in columns]
    if len({n for n, _ in split}) < len(split):
        split = [(str(name), "") for name, _ in columns]
    cells = [(n, column_of(v)) for (n, _), (_, v) in zip(split, columns, strict=True)]
    return Table(cells, units=dict(split), source=opened.name, detected={"format": f"JSON, {form}"})


def _parsed(text: str, source: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        lines = [line for line in text.split("\n") if line.strip()]
        if (
            error.msg == "Extra data"
            and len(lines) > 1
            and lines[0].lstrip().startswith(("{", "["))
        ):
            return _json_lines(text, source)
        raise FileError(
            f"{source}:{error.lineno}: not JSON: {error.msg} (column {error.colno}).",
            "Was the file written to its end?",
        ) from None
    except RecursionError:
        raise FileError(f"{source}: JSON nested too deeply for a table.") from None
    except ValueError as error:  # an integer of thousands of digits
        raise FileError(f"{source}: not JSON: {error}.") from None


def _json_lines(text: str, source: str) -> list[Any]:
    out = []
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            try:
                out.append(json.loads(line))
            except (ValueError, RecursionError) as error:
                raise FileError(f"{source}:{number}: not a record of JSON: {error}.") from None
    return out


_Found = tuple[str, list[tuple[Any, list[Any]]]]


def _columns(document: Any, source: str, depth: int = 0) -> _Found | None:
    if isinstance(document, list):
        return _from_list(document, source)
    if not isinstance(document, dict):
        return None
    rows = document.get("data")
    if isinstance(rows, list) and isinstance(names := document.get("columns"), list):
        return "names and rows", _from_rows(rows, names, source)
    lists = {k: v for k, v in document.items() if isinstance(v, list)}
    flat = [(k, v) for k, v in lists.items() if v and not _nested(v)]
    if flat and (len(flat) > 1 or len(lists) == 1):
        return "columns", flat
    inner = [v for v in document.values() if isinstance(v, (dict, list))]
    found = [f for v in inner if depth < 3 and (f := _columns(v, source, depth + 1))]
    if len(found) > 1:
        raise FileError(
            f"{source}: {len(found)} tables in this JSON file.", "Write one table per file."
        )
    return found[0] if found else None


def _nested(values: list[Any]) -> bool:
    return any(isinstance(v, (list, dict)) for v in values)


def _from_list(items: list[Any], source: str) -> _Found | None:
    if items and all(isinstance(item, dict) for item in items):
        names = list(dict.fromkeys(key for item in items for key in item))
        columns = [(name, [item.get(name) for item in items]) for name in names]
        flat = [(name, values) for name, values in columns if not _nested(values)]
        return ("records", flat) if flat else None
    if items and all(isinstance(item, list) for item in items):
        first = items[0]
        if len(items) > 1 and first and all(isinstance(cell, str) for cell in first):
            return "rows, names in the first", _from_rows(items[1:], first, source)
        return "rows", _from_rows(items, [f"c{i}" for i in range(len(first))], source)
    if items and not _nested(items):
        return "one list", [("c0", items)]
    return None


def _from_rows(rows: list[Any], names: list[Any], source: str) -> list[tuple[Any, list[Any]]]:
    for number, row in enumerate(rows, 1):
        if not isinstance(row, list) or len(row) != len(names):
            size = f"{len(row)} cells" if isinstance(row, list) else "no list of cells"
            raise FileError(f"{source}, row {number}: {size}; there are {len(names)} columns.")
        if _nested(row):
            raise FileError(f"{source}, row {number}: a list or object in a cell.")
    return [(name, [row[i] for row in rows]) for i, name in enumerate(names)]
