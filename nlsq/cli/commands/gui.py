"""``nlsq gui``: the desktop window."""

from __future__ import annotations

import click

EXAMPLES = """
\b
Examples:
  nlsq gui
  nlsq gui data.csv
  nlsq gui fit.yaml
"""


@click.command(epilog=EXAMPLES)
@click.argument("source", metavar="[FILE]", required=False)
def gui(source: str | None) -> None:
    """Open the desktop window, with the data, the session or the configuration in FILE."""
    from nlsq.gui_qt import run_desktop

    raise SystemExit(run_desktop([] if source is None else [source]))
