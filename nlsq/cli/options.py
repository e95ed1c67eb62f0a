"""Options that several commands share: each fills one entry of the configuration.

A `Setting` is a Click option with the key of its entry; what it reads from its text is said in
`read`. The tables below are all there is: help, completion, configuration and messages follow.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from nlsq.cli.configuration import Configuration

FORMATS = ("csv", "json", "hdf5", "npz", "npy", "parquet", "arrow", "excel")
LOSSES = ("linear", "soft_l1", "huber", "cauchy", "arctan")
METHODS = ("trf", "dogbox", "lm")
STRICT = "Exit with 5 if a parameter is undetermined or on a bound."
STRATEGIES = ("auto", "direct", "chunked", "streaming")


class Setting(click.Option):
    """An option that fills the entry `key` with ``read(value)``."""

    def __init__(self, *names: Any, key: str, read: Callable = lambda value: value, **kwargs: Any):
        super().__init__(*names, **kwargs)
        self.key, self.read = key, read


def _column(text: str) -> int | str:
    return int(text) if text.isdigit() else text


def _columns(texts: tuple[str, ...]) -> Any:
    found = [_column(text) for text in texts]
    return found if len(found) > 1 else found[0]


def _number(text: str, option: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise click.BadParameter(f"{text!r} is not a number.", param_hint=option) from None


def _start(texts: tuple[str, ...]) -> Any:
    """``auto``, ``1,2,3``, or ``tau=2`` as often as wanted, also ``tau=2,c=0``."""
    parts = [part.strip() for text in texts for part in text.split(",")]
    if parts == ["auto"]:
        return "auto"
    if not any("=" in part for part in parts):
        return [_number(part, "--p0") for part in parts]
    found = {}
    for part in parts:
        name, equals, value = part.partition("=")
        if not equals:
            raise click.BadParameter(f"{part!r} is not NAME=VALUE.", param_hint="--p0")
        found[name.strip()] = _number(value, "--p0")
    return found


def _bounds(texts: tuple[str, ...]) -> dict:
    """``tau=0:`` and ``c=-1:1``."""
    found = {}
    for text in texts:
        name, equals, limits = text.partition("=")
        low, colon, high = limits.partition(":")
        if not (equals and colon):
            hint = f"{text!r} is not NAME=LOW:HIGH; either side may be empty."
            raise click.BadParameter(hint, param_hint="--bounds")
        sides = (_number(v, "--bounds") if v.strip() else None for v in (low, high))
        found[name.strip()] = tuple(sides)
    return found


def _fixed(texts: tuple[str, ...]) -> dict:
    """``c=0``, or ``c`` alone: at its start."""
    found = {}
    for text in texts:
        name, equals, value = text.partition("=")
        found[name.strip()] = _number(value, "--fix") if equals else None
    return found


def read_model(text: str) -> dict:
    """The section of the configuration that ``-m TEXT`` stands for."""
    from nlsq import models
    from nlsq.cli.settings import Model

    return Model.parse(text, models.names())


def complete_model(context: click.Context, parameter: click.Parameter, incomplete: str) -> list:
    """Names of built-in models that begin so, for shells."""
    from nlsq import models

    return [name for name in models.names() if name.startswith(incomplete)]


DATA = [
    Setting(
        ["-x", "--x"], key="data.columns.x", multiple=True, metavar="COLUMN", read=_columns,
        help="Column of x: its name, its number from 0, or an expression of columns. Several make "
        "x (k, m).",
    ),
    Setting(
        ["-y", "--y"], key="data.columns.y", metavar="COLUMN", read=_column,
        help="Column of y, or an expression such as \"log(V)\".",
    ),
    Setting(
        ["--yerr"], key="data.columns.sigma", metavar="COLUMN", read=_column,
        help="Column of the standard deviations of y.",
    ),
    Setting(
        ["--where"], key="data.where", metavar="CONDITION",
        help="Fit only these rows, for example \"t > 3 and sample == 'A'\".",
    ),
    Setting(["--rows"], key="data.rows", metavar="A:B[:STEP]", help="Range of rows, from 0."),
    Setting(
        ["--format"], key="data.format", type=click.Choice(FORMATS),
        help="Kind of file, where its suffix does not tell.",
    ),
    Setting(["--delimiter"], key="data.csv.delimiter", help="What separates columns of a text."),
    Setting(["--decimal"], key="data.csv.decimal", type=click.Choice([".", ","]),
            help="Decimal sign of a text."),
    Setting(["--header/--no-header"], key="data.csv.header", default=None, is_flag=True,
            help="Whether a text begins with names of columns."),
    Setting(["--comment"], key="data.csv.comment", metavar="MARK",
            help="What begins a comment in a text."),
    Setting(["--encoding"], key="data.csv.encoding", help="Encoding of a text."),
    Setting(["--skip"], key="data.csv.skip_header", type=click.IntRange(0), metavar="LINES",
            help="Lines to leave out at the beginning of a text."),
    Setting(["--sheet"], key="data.sheet", read=_column, help="Sheet of an Excel file."),
    Setting(["--group"], key="data.group", help="Group of an HDF5 file."),
]  # fmt: skip
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
        help="Which name in the formula is x; by default the column's name, or x.",
    ),
    Setting(["--trust"], key="model.trusted", is_flag=True, default=None,
            help="Run a model file as it is, unchecked and in this process."),
    Setting(["--limit-memory"], key="limits.memory_gb", type=float, metavar="GB",
            help="Memory that a model file which is not trusted may take."),
    Setting(["--limit-time"], key="limits.seconds", type=float, metavar="SECONDS",
            help="Time that a fit with such a file may take (600)."),
    Setting(["--bubblewrap"], key="limits.bubblewrap", is_flag=True, default=None,
            help="Run a model file which is not trusted inside bubblewrap as well (Linux)."),
]  # fmt: skip
FITTING = [
    Setting(["--p0"], key="fitting.p0", multiple=True, metavar="NAME=VALUE", read=_start,
            help="Start: tau=2, or 1,2,3 for all, or auto for the model's guess."),
    Setting(["--bounds"], key="fitting.bounds", multiple=True, metavar="NAME=LOW:HIGH",
            read=_bounds, help="Bounds; either side may be empty."),
    Setting(["--fix"], key="fitting.fixed", multiple=True, metavar="NAME[=VALUE]", read=_fixed,
            help="Hold a parameter at a value, or at its start."),
    Setting(["--method"], key="fitting.method", type=click.Choice(METHODS),
            help="Algorithm, as in SciPy."),
    Setting(["--loss"], key="fitting.loss", type=click.Choice(LOSSES),
            help="Loss; all but linear are robust against outliers."),
    Setting(["--f-scale"], key="fitting.f_scale", type=float,
            help="Residual from which on a robust loss damps."),
    Setting(["--ftol"], key="fitting.ftol", type=float, help="Relative change of the cost."),
    Setting(["--xtol"], key="fitting.xtol", type=float, help="Relative change of the parameters."),
    Setting(["--gtol"], key="fitting.gtol", type=float, help="Size of the gradient."),
    Setting(["--max-nfev"], key="fitting.max_nfev", type=click.IntRange(1),
            help="Evaluations at most."),
    Setting(["--absolute-sigma"], key="fitting.absolute_sigma", is_flag=True, default=None,
            help="--yerr are standard deviations, not only their ratios."),
    Setting(["--omit-nan"], key="fitting.nan_policy", is_flag=True, default=None,
            read=lambda flag: "omit" if flag else "raise",
            help="Leave out rows with empty cells or NaN."),
    Setting(["--time-limit"], key="fitting.time_limit", type=float, metavar="SECONDS",
            help="End with the best so far after this time."),
]  # fmt: skip
WORKFLOW = [
    Setting(["--workflow"], key="workflow.strategy", type=click.Choice(STRATEGIES),
            help="Whether the data are held in memory (direct) or read piece by piece."),
    Setting(["--memory-limit"], key="workflow.memory_limit_gb", type=float, metavar="GB",
            help="Memory to plan with."),
    Setting(["--chunk-size"], key="workflow.chunk_size", type=click.IntRange(1), metavar="POINTS",
            help="Points that are read at once."),
    Setting(["--checkpoint"], key="workflow.checkpoint", metavar="DIR",
            type=click.Path(path_type=Path, file_okay=False),
            help="Keep the state of a long fit there, for nlsq resume."),
]  # fmt: skip
SET = [
    click.Option(["--set"], multiple=True, metavar="KEY=VALUE",
                 help="Set any entry of a configuration file, e.g. fitting.loss=huber."),
]  # fmt: skip


def options(*tables: list[click.Option]) -> Callable:
    """Decorator: give a command the options of the tables, before its own."""

    def add(command: click.Command) -> click.Command:
        arguments = [p for p in command.params if isinstance(p, click.Argument)]
        own = [p for p in command.params if not isinstance(p, click.Argument)]
        command.params = [*arguments, *(option for table in tables for option in table), *own]
        return command

    return add


def configure(context: click.Context, source: str | None) -> Configuration:
    """The configuration that a command line describes.

    Parameters
    ----------
    source : str or None
        A configuration file, a data file, or - for standard input.
    """
    from nlsq.cli.configuration import SUFFIXES, Configuration

    if source is not None and Path(source).suffix.lower() in SUFFIXES:
        found = Configuration.read(Path(source))
    else:
        found = Configuration()
        if source is not None:
            found.set("data.input_file", source, "the command line")
    for option in context.command.params:
        if isinstance(option, Setting):
            value = context.params.get(option.name)
            if value is not None and value != ():
                found.set(option.key, option.read(value), option.opts[-1])
    for text in context.params.get("set") or ():
        found.assign(text)
    return found
