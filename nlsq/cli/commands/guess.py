"""``nlsq guess``: a start from the data."""

from __future__ import annotations

import click

from nlsq.cli.data_loaders import DATA
from nlsq.cli.model_registry import MODEL
from nlsq.cli.options import SET, configure, options

EXAMPLES = """
\b
Examples:
  nlsq guess peak.csv -m gaussian
  nlsq fit peak.csv -m gaussian --p0 $(nlsq guess peak.csv -m gaussian -q)
"""


@options(DATA, MODEL, SET)
@click.command(epilog=EXAMPLES)
@click.argument("source", metavar="FILE")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
@click.option("-q", "--quiet", is_flag=True, help="Print NAME=VALUE,... only, as --p0 takes it.")
@click.option("--no-plot", is_flag=True, help="Do not plot in the terminal.")
@click.pass_context
def guess(context, source: str, as_json: bool, quiet: bool, no_plot: bool, **given) -> None:
    """Print the start that a model guesses from the data in FILE."""
    import json

    from nlsq.cli.result_exporter import console
    from nlsq.session.plan import read
    from nlsq.session.running import guess_start

    configuration = configure(context, source)
    configuration.set("fitting.p0", "auto", "nlsq guess")
    settings = configuration.settings()
    points = read(settings)
    found = guess_start(settings, points)
    values = dict(zip(found["names"], found["p0"], strict=True))
    if as_json:
        click.echo(json.dumps(values))
    elif quiet:
        click.echo(",".join(f"{name}={value:.9g}" for name, value in values.items()))
    else:
        _show(console(), settings, points, found, plot=not no_plot)


def _show(console, settings, points, found, plot: bool) -> None:
    import numpy as np
    from rich.text import Text

    for name, value in zip(found["names"], found["p0"], strict=True):
        console.print(Text(f"{name} ", "bold") + Text(f"= {value:.6g}"))
    if plot and points is not None and points.x.ndim == 1:
        from nlsq.cli.terminal_plot import Series, panels

        order = np.argsort(points.x, kind="stable")
        drawn = Series(
            points.x, points.y, points.x[order], np.asarray(found["values"])[order],
            points.x_label, points.y_label, line_name=f"guess of {settings.model.text}",
        )  # fmt: skip
        ascii_only = not console.encoding.lower().startswith("utf")
        console.print()
        console.print(panels([(drawn, 15)], min(console.width, 110) - 1, ascii_only))
