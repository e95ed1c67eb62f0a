"""Tables whose names and numbers are never broken, also where the terminal is narrow."""

from __future__ import annotations

import io

from rich.console import Console
from rich.table import Table

_WIDE = 100_000


def natural_width(table: Table) -> int:
    """Columns of the terminal that a table takes with every cell in one piece."""
    wide = Console(width=_WIDE, file=io.StringIO(), highlight=False, color_system=None)
    return wide.measure(table).maximum


def print_whole(console: Console, table: Table, least: int | None = None) -> None:
    """Print a table as wide as it is, or `least`; a terminal wraps the lines, and loses nothing."""
    terminal = console.width
    console.width = max(terminal, natural_width(table) if least is None else least)
    console.print(table)
    console.width = terminal
