"""The table of a batch on the terminal, worst fits first."""

from __future__ import annotations

from typing import Any

from rich import box
from rich.table import Table
from rich.text import Text

from nlsq.cli.whole import natural_width, print_whole
from nlsq.result.search_sentences import best_of_many, found_sentence
from nlsq.session.batch_rows import parameter_columns, told
from nlsq.utils.input_error import harmless

_LEAST_NOTE = 24  # columns of the terminal for what is said of a fit


def show(console: Any, rows: list[dict[str, Any]], worst: int) -> None:
    """Print how many ended how, and the worst fits."""
    console.print(Text(f"{len(rows)} fits: ", "bold") + Text(told(rows)))
    if searched := [row for row in rows if row.get("local_fits")]:
        console.print(Text("search: ", "bold") + Text(_search(searched)))
    if not (worst and rows):
        return
    names = parameter_columns(rows)
    listed, shown = rows[:worst], len(names)
    while (least := _least_width(listed, names[:shown])) > console.width and shown:
        shown -= 1
    console.print()
    print_whole(console, _table(listed, names[:shown], [_note(row) for row in listed]), least)
    if len(rows) > worst:
        console.print(Text(f"... and {len(rows) - worst} better ones", "dim"))
    if len(names) > shown:
        console.print(Text(f"{', '.join(names[shown:])}: see --table or --json", "dim"))


def _search(rows: list[dict[str, Any]]) -> str:
    made, once = sum(row["local_fits"] for row in rows), sum(row["found"] == 1 for row in rows)
    return best_of_many(made, len(rows), once)


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
    note = Text("; ".join(doubtful), "yellow")
    if row.get("local_fits"):
        found = found_sentence(row["found"], row["local_fits"], row["next_minimum"])
        note += Text("; " if doubtful else "") + Text(found, "yellow" if row["found"] == 1 else "")
    return note
