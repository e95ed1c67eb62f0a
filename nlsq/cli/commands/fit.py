"""``nlsq fit``: one fit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from nlsq.cli.options import (
    DATA,
    FITTING,
    MODEL,
    SET,
    STRICT,
    WORKFLOW,
    command_line,
    configure,
    options,
)  # fmt: skip
from nlsq.cli.outputs import OUTPUT, Output

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


@options(DATA, MODEL, FITTING, WORKFLOW, OUTPUT, SET)
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

    from nlsq.cli.outputs import console
    from nlsq.session.plan import facts

    grid = Grid(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    grid.add_column(style="bold", no_wrap=True)
    grid.add_column(overflow="fold")
    for name, value in facts(settings):
        grid.add_row(name, value)
    console().print(grid)


def _way_on(settings: Settings) -> str:
    folder = settings.workflow.checkpoint
    return "" if folder is None else f"Go on with: nlsq resume {folder}"


def run(settings: Settings, output: Output, strict: bool = False, resume: bool = False) -> None:
    """Read, fit, show, save; raise what the exit code says.

    Raises
    ------
    ProgramError
    """
    from nlsq.cli import signals
    from nlsq.cli.errors import NotConverged, Terminated, Undetermined
    from nlsq.result.minima import INTERRUPTED, OUT_OF_TIME
    from nlsq.session.pieces import allowed_memory
    from nlsq.session.plan import read
    from nlsq.session.resuming import keep_request
    from nlsq.session.running import execute

    signals.way_on = _way_on(settings)
    if settings.workflow.checkpoint is not None and not resume:
        keep_request(settings)
    with allowed_memory(settings):
        whole = output.is_whole(settings)
        document, result = execute(
            settings, read(settings), resume, whole=whole, command=command_line()
        )
        output.write(document, result, settings)
    stopped = (document.get("search") or {}).get("stopped")
    cut_short = stopped in (INTERRUPTED, OUT_OF_TIME)
    if cut_short or not document["convergence"]["success"]:
        if signals.terminated():
            message = "Terminated; what is shown is the best point so far."
            raise Terminated(message, _way_on(settings))
        why = f"{stopped} ended the search." if cut_short else document["convergence"]["message"]
        raise NotConverged(
            f"{settings.data.input_file}: {why}", "What is shown is the best point so far."
        )
    doubtful = list(dict.fromkeys([*document["undetermined"], *document["at_bound"]]))
    if strict and doubtful:
        raise Undetermined(
            f"{settings.data.input_file}: undetermined or on a bound: {', '.join(doubtful)}.",
            "Fix such a parameter (--fix), widen its bounds, or take a simpler model.",
        )
