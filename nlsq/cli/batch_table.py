"""The table of a batch: written in the order of the files, shown worst first."""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from pathlib import Path
from typing import Any

from rich import box
from rich.cells import cell_len
from rich.table import Table
from rich.text import Text

from nlsq.cli.errors import DataError
from nlsq.io import FileError
from nlsq.io.documents import write_file
from nlsq.utils.input_error import harmless

_LEAST_NOTE = 24  # columns of the terminal for what is said of a fit
_ORDER = {"bad data": 0, "not fitted": 1, "not converged": 2, "converged": 3}


def badness(row: dict[str, Any]) -> tuple:
    """Sorts the worst first: failures, then doubtful parameters, then by R²."""
    doubtful = bool(row.get("undetermined")) or bool(row.get("at_bound"))
    r_squared = row.get("r_squared")
    return (
        _ORDER[row["outcome"]], not doubtful, -2.0 if r_squared is None else r_squared, row["fit"],
    )  # fmt: skip


def write_table(path: Path, rows: list[dict[str, Any]]) -> None:
    """Write the rows; the suffix gives the format."""
    names = _columns(rows)
    suffix = path.suffix.lower()
    if suffix == ".json":
        content: str | bytes = table_json(rows)
    elif suffix == ".csv":
        text = io.StringIO()
        writer = csv.DictWriter(text, names, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        content = text.getvalue()
    else:
        import pyarrow as pa
        import pyarrow.parquet as pq

        columns = {name: [row.get(name) for row in rows] for name in names}
        sink = pa.BufferOutputStream()
        pq.write_table(pa.table(columns), sink)
        content = sink.getvalue().to_pybytes()
    try:
        write_file(path, content)
    except FileError as error:
        raise DataError(error.message, error.fix) from None


def _columns(rows: list[dict[str, Any]]) -> list[str]:
    """Names of the columns; those of rows with parameters first."""
    whole = sorted(rows, key=len, reverse=True)
    return list(dict.fromkeys(name for row in whole for name in row))


def table_json(rows: list[dict[str, Any]]) -> str:
    """The rows as JSON."""
    return json.dumps(rows, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def show(console: Any, rows: list[dict[str, Any]], worst: int) -> None:
    """Print how many ended how, and the worst fits."""
    counts = Counter(row["outcome"] for row in rows)
    said = ", ".join(f"{counts[o]} {o}" for o in reversed(_ORDER) if counts[o])
    console.print(Text(f"{len(rows)} fits: ", "bold") + Text(said))
    if not (worst and rows):
        return
    fitted = next((r for r in rows if r["outcome"] == "converged"), {})
    names = [n[:-4] for n in fitted if n.endswith("_err") and n[:-4] in fitted]
    table, width, shown = _fitting_table(rows[:worst], names, console.width)
    console.print()
    terminal = console.width
    console.width = width  # a terminal wraps what is wider, and loses nothing
    console.print(table)
    console.width = terminal
    if len(rows) > worst:
        console.print(Text(f"... and {len(rows) - worst} better ones", "dim"))
    if len(names) > shown:
        console.print(Text(f"{', '.join(names[shown:])}: see --table or --json", "dim"))


def _fitting_table(rows: list[dict[str, Any]], names: list[str], width: int) -> tuple:
    """The table with as many parameters as fit beside whole names, its width, how many they are."""
    fits = ["fit", *(harmless(row["fit"]) for row in rows)]
    columns = [[harmless(name), *(_value(row, name) for row in rows)] for name in names]
    known = [row.get("r_squared") for row in rows]
    r_squared = ["R²", *("" if value is None else f"{value:.5f}" for value in known)]
    notes = [_note(row) for row in rows]
    note = _LEAST_NOTE * any(text.plain for text in notes)
    needed = [max(map(cell_len, column)) + 2 for column in (fits, r_squared, *columns)]
    shown = len(columns)
    while shown and sum(needed[: shown + 2]) + note > width:
        shown -= 1
    table = _grid(rows, [*columns[:shown], r_squared], notes)
    ends = 4  # the last column has blanks at its sides, even where it is empty
    return table, max(width, sum(needed[: shown + 2]) + note + ends), shown


def _grid(rows: list[dict[str, Any]], columns: list[list[str]], notes: list) -> Any:
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1))
    table.add_column("fit", style="bold", no_wrap=True)
    for heading, *_ in columns:
        table.add_column(Text(heading), justify="right", no_wrap=True)
    table.add_column("", overflow="fold")
    for i, (row, note) in enumerate(zip(rows, notes, strict=True), 1):
        table.add_row(Text(harmless(row["fit"])), *(column[i] for column in columns), note)
    return table


def _value(row: dict[str, Any], name: str) -> str:
    value, error = row.get(name), row.get(f"{name}_err")
    if value is None:
        return ""
    return f"{value:.5g}" + ("" if error is None else f" ± {error:.2g}")


def _note(row: dict[str, Any]) -> Any:
    if row["outcome"] != "converged":
        return Text(harmless(row["message"]), "red")
    doubtful = [
        f"{key.replace('_', ' ')}: {row[key]}" for key in ("undetermined", "at_bound") if row[key]
    ]
    return Text("; ".join(doubtful), "yellow")
