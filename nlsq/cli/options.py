"""Options that several commands share: each fills one entry of the configuration.

A `Setting` is a Click option with the key of its entry; what it reads from its text is said in
`read`. The tables below are all there is: help, completion, configuration and messages follow.
"""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from nlsq.session.words import read_column, read_model

if TYPE_CHECKING:
    from nlsq.session.configuration import Configuration

FORMATS = ("csv", "json", "hdf5", "npz", "npy", "parquet", "arrow", "excel", "jcamp")
GOALS = ("fast", "robust", "global", "memory_efficient", "quality")
LOSSES = ("linear", "soft_l1", "huber", "cauchy", "arctan")
METHODS = (
    "trf", "dogbox", "lm", "global", "multistart", "cmaes", "cmaes-fast", "cmaes-global",
)  # fmt: skip
PRESETS = ("fast", "robust", "global", "thorough", "streaming", *METHODS[-3:])
SAMPLERS = ("lhs", "sobol", "halton")
STRICT = "Exit with 5 if a parameter is undetermined or on a bound."
STRATEGIES = ("auto", "direct", "chunked", "streaming")


class Setting(click.Option):
    """An option that fills the entry `key` with ``read(value)``."""

    def __init__(self, *names: Any, key: str, read: Callable = lambda value: value, **kwargs: Any):
        super().__init__(*names, **kwargs)
        self.key, self.read = key, read


def _columns(texts: tuple[str, ...]) -> Any:
    found = [read_column(text) for text in texts]
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


def complete_model(context: click.Context, parameter: click.Parameter, incomplete: str) -> list:
    """Names of built-in models that begin so, for shells."""
    from nlsq import models

    return [name for name in models.names() if name.startswith(incomplete)]


DATA = [
    Setting(
        ["-x", "--x"], key="data.columns.x", multiple=True, metavar="COLUMN", read=_columns,
        help="Column of x: its name, its number from 0, or an expression of columns. Repeat it for "
        "a model of several variables.",
    ),
    Setting(
        ["-y", "--y"], key="data.columns.y", metavar="COLUMN", read=read_column,
        help="Column of y, or an expression such as \"log(V)\".",
    ),
    Setting(
        ["--yerr"], key="data.columns.sigma", metavar="COLUMN", read=read_column,
        help="Column of the standard deviations of y.",
    ),
    Setting(
        ["--where"], key="data.where", metavar="CONDITION",
        help="Fit only these rows, for example \"t > 3 and sample == 'A'\".",
    ),
    Setting(["--rows"], key="data.rows", metavar="A:B[:STEP]", help="Range of rows, from 0."),
    Setting(
        ["--format"], key="data.format", type=click.Choice(FORMATS),
        help="Format of the file, when its name does not tell.",
    ),
    Setting(["--delimiter"], key="data.csv.delimiter", help="Separator of columns in a text file."),
    Setting(["--decimal"], key="data.csv.decimal", type=click.Choice([".", ","]),
            help="Decimal sign in a text file."),
    Setting(["--header/--no-header"], key="data.csv.header", default=None, is_flag=True,
            help="Whether the first line of a text file names the columns."),
    Setting(["--comment"], key="data.csv.comment", metavar="MARK",
            help="Mark that begins a comment in a text file."),
    Setting(["--encoding"], key="data.csv.encoding", help="Encoding of a text file, e.g. latin-1."),
    Setting(["--skip"], key="data.csv.skip_header", type=click.IntRange(0), metavar="LINES",
            help="Lines to skip at the beginning of a text file."),
    Setting(["--sheet"], key="data.sheet", read=read_column, help="Sheet of an Excel file."),
    Setting(["--group"], key="data.group", help="Group of an HDF5 file that holds the columns."),
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
FITTING = [
    Setting(["--p0"], key="fitting.p0", multiple=True, metavar="NAME=VALUE", read=_start,
            help="Start value: tau=2, or 1,2,3 for all parameters, or auto for the model's guess."),
    Setting(["--bounds"], key="fitting.bounds", multiple=True, metavar="NAME=LOW:HIGH",
            read=_bounds,
            help="Bounds of a parameter, tau=0:10. An empty side is open: tau=0:"),
    Setting(["--fix"], key="fitting.fixed", multiple=True, metavar="NAME[=VALUE]", read=_fixed,
            help="Keep a parameter fixed at a value, or at its start."),
    Setting(["--method"], key="fitting.method", type=click.Choice(METHODS),
            help="Algorithm, named as in SciPy; or a search for the global minimum: global "
            "(needs no start and no bounds), multistart, or cmaes for models that jump."),
    Setting(["--multistart"], key="fitting.n_starts", type=click.IntRange(1), metavar="N",
            help="Look for the global minimum from N starts."),
    Setting(["--preset"], key="fitting.preset", type=click.Choice(PRESETS),
            help="How thoroughly to look for the global minimum."),
    Setting(["--goal"], key="fitting.goal", type=click.Choice(GOALS),
            help="What matters: sets tolerances, a search, or reading in pieces."),
    Setting(["--auto-bounds"], key="fitting.auto_bounds", is_flag=True, default=None,
            help="Infer bounds where none are given, and keep to them where they help."),
    Setting(["--sampler"], key="fitting.sampler", type=click.Choice(SAMPLERS),
            help="Where starts come from: a Latin hypercube, Sobol or Halton."),
    Setting(["--seed"], key="fitting.seed", type=click.IntRange(0), metavar="N",
            help="Of a search: the same seed gives the same answer."),
    Setting(["--loss"], key="fitting.loss", type=click.Choice(LOSSES),
            help="Loss function. All but linear are robust against outliers."),
    Setting(["--f-scale"], key="fitting.f_scale", type=float,
            help="Residual size above which points count as outliers."),
    Setting(["--ftol"], key="fitting.ftol", type=float,
            help="Stop when the cost changes by less than this share."),
    Setting(["--xtol"], key="fitting.xtol", type=float,
            help="Stop when the parameters change by less than this share."),
    Setting(["--gtol"], key="fitting.gtol", type=float,
            help="Stop when the scaled gradient is smaller than this."),
    Setting(["--max-nfev"], key="fitting.max_nfev", type=click.IntRange(1),
            help="Largest number of model evaluations."),
    Setting(["--absolute-sigma"], key="fitting.absolute_sigma", is_flag=True, default=None,
            help="Take --yerr as standard deviations, not only as relative weights."),
    Setting(["--omit-nan"], key="fitting.nan_policy", is_flag=True, default=None,
            read=lambda flag: "omit" if flag else "raise",
            help="Leave out rows with empty cells or NaN."),
    Setting(["--time-limit"], key="fitting.time_limit", type=float, metavar="SECONDS",
            help="Stop after this time and keep the best point so far."),
]  # fmt: skip
WORKFLOW = [
    Setting(["--workflow"], key="workflow.strategy", type=click.Choice(STRATEGIES),
            help="Hold the data in memory (direct), or read them piece by piece."),
    Setting(["--memory-limit"], key="workflow.memory_limit_gb", type=float, metavar="GB",
            help="Memory that the fit may use."),
    Setting(["--chunk-size"], key="workflow.chunk_size", type=click.IntRange(1), metavar="POINTS",
            help="Points to read at once."),
    Setting(["--checkpoint"], key="workflow.checkpoint", metavar="DIR",
            type=click.Path(path_type=Path, file_okay=False),
            help="Folder for the state of a long fit; nlsq resume continues from it."),
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
    from nlsq.session.configuration import SUFFIXES, Configuration

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


def command_line() -> str:
    """The command as it was given, for the record of a fit."""
    return "nlsq " + shlex.join(sys.argv[1:])
