"""The table of a batch: written in the order of the files, shown worst first."""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from pathlib import Path
from typing import Any

from rich import box
from rich.table import Table
from rich.text import Text

from nlsq.cli.whole import natural_width, print_whole
from nlsq.io import FileError
from nlsq.io.documents import write_file
from nlsq.session.errors import DataError
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
    listed, shown = rows[:worst], len(names)
    while (least := _least_width(listed, names[:shown])) > console.width and shown:
        shown -= 1
    console.print()
    print_whole(console, _table(listed, names[:shown], [_note(row) for row in listed]), least)
    if len(rows) > worst:
        console.print(Text(f"... and {len(rows) - worst} better ones", "dim"))
    if len(names) > shown:
        console.print(Text(f"{', '.join(names[shown:])}: see --table or --json", "dim"))


def _least_width(rows: list[dict[str, Any]], names: list[str]) -> int:
    """Columns that the table takes; what is said of the fits goes over several lines."""
    numbers = natural_width(_table(rows, names, [Text()] * len(rows)))
    return numbers + (_LEAST_NOTE if any(_note(row).plain for row in rows) else 0)


def _table(rows: list[dict[str, Any]], names: list[str], notes: list[Text]) -> Table:
    """The fits with these parameters."""
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1))
    table.add_column("fit", style="bold", no_wrap=True)
    for heading in (*names, "R²"):
        table.add_column(Text(harmless(heading)), justify="right", no_wrap=True)
    table.add_column("", overflow="fold")
    for row, note in zip(rows, notes, strict=True):
        r_squared = "" if row.get("r_squared") is None else f"{row['r_squared']:.5f}"
        values = (_value(row, name) for name in names)
        table.add_row(Text(harmless(row["fit"])), *values, r_squared, note)
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
