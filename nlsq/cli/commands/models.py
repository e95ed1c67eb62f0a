"""``nlsq models``: the built-in models."""

from __future__ import annotations

import click

EXAMPLES = """
\b
Examples:
  nlsq models                    # all, by category
  nlsq models --search isotherm
  nlsq models gaussian           # formula, parameters, plot
  nlsq models "gaussian + linear"
"""


@click.command(epilog=EXAMPLES)
@click.argument("name", required=False)
@click.option("--search", metavar="WORD", help="Only models with this word in name or description.")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
@click.option("--no-plot", is_flag=True, help="Do not plot in the terminal.")
def models(name: str | None, search: str | None, as_json: bool, no_plot: bool) -> None:
    """List the built-in models, or show the one called NAME."""
    import json

    from nlsq import models as catalogue
    from nlsq.cli.outputs import console
    from nlsq.session.errors import ConfigurationError, NoModel
    from nlsq.utils.input_error import InputError

    if name is not None:
        try:
            model = catalogue.get(name)
        except InputError as error:
            raise NoModel(error.message, "nlsq models lists them.") from None
        if as_json:
            click.echo(json.dumps(facts(model), indent=2, ensure_ascii=False))
        else:
            show(console(), model, plot=not no_plot)
        return
    names = catalogue.search(search) if search else catalogue.names()
    found = [catalogue.get(name) for name in names]
    if not found:
        raise ConfigurationError(f"no model has {search!r} in its name or description.")
    if as_json:
        click.echo(json.dumps([facts(m) for m in found], indent=2, ensure_ascii=False))
    else:
        console().print(_list(found))


def facts(model) -> dict:
    """A model as plain data."""
    return {
        "name": model.name, "title": model.title, "category": model.category,
        "formula": model.formula, "description": model.description, "reference": model.reference,
        "parameters": [
            {"name": p.name, "meaning": p.meaning, "unit": p.unit,
             "lower": _limit(p.lower), "upper": _limit(p.upper)}
            for p in model.parameters
        ],
    }  # fmt: skip


def _limit(value: float) -> float | None:
    import math

    return value if math.isfinite(value) else None


def _list(found):
    from rich.table import Table

    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    category = None
    for model in sorted(found, key=lambda m: m.category):
        if model.category != category:
            table.add_row("", "")
            table.add_row(f"[cyan]{model.category}[/]", "")
            category = model.category
        table.add_row(
            f"  {model.name}", f"{model.title}: {', '.join(p.name for p in model.parameters)}"
        )
    return table


def show(console, model, plot: bool) -> None:
    """Print title, formula, parameters and an example."""
    import math

    from rich.table import Table
    from rich.text import Text

    console.print(Text(f"{model.name}: ", "bold") + Text(model.title))
    for line in (model.description, model.formula and f"f(x) = {model.formula}", model.reference):
        if line:
            console.print(Text(line))
    console.print()
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for heading in ("parameter", "meaning", "unit", "bounds"):
        table.add_column(heading, overflow="fold")
    for p in model.parameters:
        sides = [f"≥ {p.lower:g}"] * math.isfinite(p.lower) + [f"≤ {p.upper:g}"] * math.isfinite(
            p.upper
        )
        table.add_row(Text(p.name, "bold"), p.meaning, p.unit, ", ".join(sides))
    console.print(table)
    if plot:
        import numpy as np

        from nlsq.cli.terminal_plot import Series, panels

        x, p = model.example()
        width = min(console.width, 100) - 1
        drawn = Series(x, model(x, *p), x, np.asarray(model(x, *p)), "x", "y", line_name=model.name)
        console.print()
        console.print(panels([(drawn, 12)], width, not console.encoding.lower().startswith("utf")))
        values = ", ".join(f"{q.name} = {v:.4g}" for q, v in zip(model.parameters, p, strict=True))
        console.print(Text(f"drawn with {values}", "dim"))
