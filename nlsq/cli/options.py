"""Options that several commands share: each fills one entry of the configuration.

A `Setting` is a Click option with the key of its entry; what it reads from its text is said in
`read`. The tables below, and those of `data_loaders` and `model_registry`, are all there is: help,
completion, configuration and messages follow.
"""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from nlsq.session.configuration import Configuration

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
    Setting(["--stability"], key="fitting.stability", type=click.Choice(["check", "auto"]),
            help="Report what endangers the fit; auto also acts, and says what it did."),
    Setting(["--time-limit"], key="fitting.time_limit", type=float, metavar="SECONDS",
            help="Stop after this time and keep the best point so far."),
    Setting(["--fallback"], key="fitting.fallback", is_flag=True, default=None,
            help="When the fit fails, try again in other ways, and say which."),
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
PROCESSES = [
    Setting(["--processes"], key="workflow.processes", type=click.IntRange(1), metavar="N",
            help="Processes on this machine that read and fit the data together."),
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
