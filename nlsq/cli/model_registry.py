"""Models on a command line: how one is named, which there are, and what is shown of one.

`nlsq.models` has the built-in ones; `nlsq.session.model` loads those and the user's files.
"""

from __future__ import annotations

import click

from nlsq.cli.options import Setting
from nlsq.session.words import read_model


def complete_model(context: click.Context, parameter: click.Parameter, incomplete: str) -> list:
    """Names of built-in models that begin so, for shells."""
    from nlsq import models

    return [name for name in models.names() if name.startswith(incomplete)]


MODEL = [
    Setting(
        ["-m", "--model"], key="model", metavar="MODEL", read=read_model,
        shell_complete=complete_model,
        help="A formula (\"a*exp(-t/tau)+c\"), a built-in model or a sum of them (see nlsq "
        "models), or FILE.py:FUNCTION.",
    ),
    Setting(
        ["--variable"], key="model.variable", multiple=True, metavar="NAME",
        read=lambda v: list(v) if len(v) > 1 else v[0],
        help="Name in the formula that stands for x. Default: the column's name, or x.",
    ),
    Setting(["--trust"], key="model.trusted", is_flag=True, default=None,
            help="Run a model file of your own without checks, in this process."),
    Setting(["--limit-memory"], key="limits.memory_gb", type=float, metavar="GB",
            help="Memory limit for a fit with an untrusted model file."),
    Setting(["--limit-time"], key="limits.seconds", type=float, metavar="SECONDS",
            help="Time limit for a fit with an untrusted model file. Default: 600."),
    Setting(["--bubblewrap"], key="limits.bubblewrap", is_flag=True, default=None,
            help="Run an untrusted model file inside bubblewrap as well (Linux)."),
]  # fmt: skip


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


def listed(found):
    """A table of models by category."""
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
