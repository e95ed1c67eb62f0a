"""``nlsq fit``: one fit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from nlsq.cli.data_loaders import DATA
from nlsq.cli.model_registry import MODEL
from nlsq.cli.options import FITTING, PROCESSES, SET, STRICT, WORKFLOW, configure, options
from nlsq.cli.result_exporter import OUTPUT, Output
from nlsq.cli.workflow_runner import run

if TYPE_CHECKING:
    from nlsq.session.settings import Settings

EXAMPLES = """
\b
Examples:
  nlsq fit data.csv -x t -y V --yerr dV -m "a*exp(-t/tau)+c" --p0 tau=2 --bounds tau=0:
  nlsq fit peak.csv -m "gaussian + linear" -o fit.json -o fit.png
  nlsq fit scan.h5 -x t -y counts -m model.py:decay --p0 1,2,3
  nlsq fit run.yaml --set fitting.loss=huber
  cat data.csv | nlsq fit - -m linear --json
"""


@options(DATA, MODEL, FITTING, WORKFLOW, PROCESSES, OUTPUT, SET)
@click.command(epilog=EXAMPLES)
@click.argument("source", metavar="FILE")
@click.option("--dry-run", is_flag=True, help="Show points, memory and method, and stop.")
@click.option("--strict", is_flag=True, help=STRICT)
@click.option("--diagnose", is_flag=True, help="Say what is wrong with the fit, if anything.")
@click.pass_context
def fit(context: click.Context, source: str, dry_run: bool, strict: bool, **given: Any) -> None:
    """Fit a model to the data in FILE (- is standard input), or as FILE.yaml or .toml says.

    Paths in a configuration file are relative to it, files to write to the current folder.
    """
    configuration = configure(context, source)
    output = Output.of(configuration, given)
    settings = configuration.settings()
    output.check(settings)
    if dry_run:
        _show_plan(settings)
        return
    run(settings, output, strict)


def _show_plan(settings: Settings) -> None:
    """Print points, memory, model, start, method and road."""
    from rich.table import Table as Grid

    from nlsq.cli.result_exporter import console
    from nlsq.session.plan import facts

    grid = Grid(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    grid.add_column(style="bold", no_wrap=True)
    grid.add_column(overflow="fold")
    for name, value in facts(settings):
        grid.add_row(name, value)
    console().print(grid)
