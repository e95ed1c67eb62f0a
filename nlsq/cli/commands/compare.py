"""``nlsq compare``: several models on one data set."""

from __future__ import annotations

from typing import Any

import click

from nlsq.cli.data_loaders import DATA
from nlsq.cli.model_registry import MODEL, complete_model
from nlsq.cli.options import FITTING, SET, command_line, configure, options
from nlsq.session.words import read_model

EXAMPLES = """
\b
Examples:
  nlsq compare peak.csv -m gaussian -m lorentzian -m voigt
  nlsq compare data.csv -x t -y V -m "a*exp(-t/tau)" -m "a*exp(-t/tau)+c" --json
"""
_OTHERS = [option for option in MODEL if option.name in ("variable", "trust")]


@options(DATA, _OTHERS, FITTING, SET)
@click.command(epilog=EXAMPLES)
@click.argument("source", metavar="FILE")
@click.option("-m", "--model", "texts", multiple=True, required=True, metavar="MODEL",
              shell_complete=complete_model, help="Model to compare; at least two.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
@click.pass_context
def compare(context, source: str, texts: tuple[str, ...], as_json: bool, **given: Any) -> None:
    """Fit several models to the data in FILE and rank them by AICc.

    The evidence ratio says how many times likelier the best model is than this one (Burnham and
    Anderson, Model Selection and Multimodel Inference, 2002). Starts, bounds and fixed values
    count for the models that have a parameter of that name.
    """
    import json

    from nlsq.cli.errors import NotConverged
    from nlsq.cli.result_exporter import console
    from nlsq.io.documents import plain
    from nlsq.session.comparing import fitted, ranked
    from nlsq.session.errors import ConfigurationError
    from nlsq.session.plan import read
    from nlsq.utils import interruption

    if len(texts) < 2:
        raise ConfigurationError("nlsq compare needs at least two models.", "Give -m twice.")
    configuration = configure(context, source)
    for section in ("certified", "export", "workflow"):
        if section in configuration.content:
            raise ConfigurationError(
                f"{section} is for a single fit (nlsq fit), not for nlsq compare."
            )
    points = None
    rows = []
    for text in texts:
        configuration.set("model", own_model(context, text), "--model")
        settings = configuration.settings()
        points = read(settings) if points is None else points
        rows.append(fitted(settings, points, text, command_line()))
        if interruption.heard():  # a fit that was stopped cannot be ranked
            raise KeyboardInterrupt
        interruption.worth_saving(False)  # nor is one of several a result
    rows = ranked(rows)
    if as_json:
        click.echo(json.dumps(plain(rows), indent=2, ensure_ascii=False))
    else:
        _show(console(), rows)
    failed = [row["model"] for row in rows if not row["converged"]]
    if failed:
        raise NotConverged(f"{source}: not fitted: {', '.join(failed)}.")


def own_model(context: Any, text: str) -> dict[str, Any]:
    """The section of one model: what its text says, and the options about models that fit it."""
    section = read_model(text)
    said = context.params
    if said["variable"] and "formula" in section:
        section["variable"] = (
            list(said["variable"]) if len(said["variable"]) > 1 else said["variable"][0]
        )
    if said["trust"] and "path" in section:
        section["trusted"] = True
    return section


def _show(console: Any, rows: list[dict[str, Any]]) -> None:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    from nlsq.cli.whole import print_whole
    from nlsq.utils.input_error import harmless

    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1))
    table.add_column("model", style="bold", no_wrap=True)
    for heading in ("free", "AICc", "ΔAICc", "weight", "evidence\nratio", "reduced\nχ²"):
        table.add_column(heading, justify="right", no_wrap=True)
    notes = []
    for row in rows:
        name = Text(row["model"], "bold")
        if "delta_aicc" not in row:
            notes.append(name + Text(f": {harmless(row['message'])}", "not bold red"))
            continue
        doubtful = dict.fromkeys([*row["undetermined"], *row["at_bound"]])
        if doubtful:
            said = f": undetermined or on a bound: {', '.join(doubtful)}"
            notes.append(name + Text(harmless(said), "not bold yellow"))
        table.add_row(
            Text(harmless(row["model"])), str(row["free_parameters"]), f"{row['aicc']:.2f}",
            f"{row['delta_aicc']:.2f}", f"{row['weight']:.3f}", f"{row['evidence_ratio']:.3g}",
            f"{row['reduced_chi_squared']:.5g}",
        )  # fmt: skip
    print_whole(console, table)
    for note in notes:
        console.print(note)
