"""``nlsq fit``: one fit as a YAML file describes it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.console import Console

    from nlsq.cli.data import Table
    from nlsq.cli.settings import Fitting, Settings
    from nlsq.result import CurveFitResult


@click.command()
@click.argument("config", type=click.Path(path_type=Path))
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Results file (JSON).")
@click.option("--no-plot", is_flag=True, help="Do not plot in the terminal.")
def fit(config: Path, output: Path | None, no_plot: bool) -> None:
    """Fit the model to the data that CONFIG (a YAML file) names.

    Input files are relative to the folder of CONFIG, output files to the current one.
    """
    from nlsq.cli.data import read_table
    from nlsq.cli.model_file import load_model
    from nlsq.cli.settings import read_settings

    settings = read_settings(config)
    if output is not None:
        export = settings.export.model_copy(update={"results_file": output})
        settings = settings.model_copy(update={"export": export})
    _check_outputs(settings)
    table = read_table(settings.data)
    model = load_model(settings.model)
    _check_counts(settings, model, config)
    _prepare_process()
    result, notes, failure = _run(settings, model, table, config)
    _present(result, settings, table, notes, plot=not no_plot)
    if failure is not None:
        raise failure


def _check_outputs(settings: Settings) -> None:
    """Find out before the fit, not after it, that its results could not be written."""
    from importlib.util import find_spec

    from nlsq.cli.errors import ConfigurationError

    for path in (settings.export.results_file, settings.export.figure):
        if path is not None and not path.resolve().parent.is_dir():
            raise ConfigurationError(f"{path}: no such folder to write to.", "Create it first.")
    if settings.export.figure is not None and find_spec("matplotlib") is None:
        raise ConfigurationError(
            "export.figure needs matplotlib, which is not installed.",
            "Install it with: pip install 'nlsq[plot]'",
        )


def _check_counts(settings: Settings, model: Callable, config: Path) -> None:
    """Lists of one number per parameter must have as many as the model has parameters."""
    import inspect

    from nlsq.cli.errors import ConfigurationError

    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    parameters = list(inspect.signature(model).parameters.values())
    names = [p.name for p in parameters if p.kind in kinds][1:]
    if any(p.kind is inspect.Parameter.VAR_POSITIONAL for p in parameters):
        names = [f"p{i}" for i in range(len(settings.fitting.p0 or ()))] or names
    bounds, certified = settings.fitting.bounds, settings.certified
    lists = {
        "fitting.p0": settings.fitting.p0,
        "fitting.bounds.lower": bounds and bounds.lower,
        "fitting.bounds.upper": bounds and bounds.upper,
        "certified.values": certified and certified.values,
        "certified.stderr": certified and certified.stderr,
    }
    for key, given in lists.items():
        if given is not None and len(given) != len(names):
            raise ConfigurationError(
                f"{config}: {key} has {len(given)} numbers, but {settings.model.function} has "
                f"{len(names)} parameters: {', '.join(names)}."
            )


def _prepare_process() -> None:
    """Set what a program may set and a library may not."""
    import jax

    from nlsq.caching.disk import cache_directory
    from nlsq.cli.errors import ConfigurationError
    from nlsq.config import env_flag

    try:
        if env_flag("NLSQ_FORCE_CPU"):
            jax.config.update("jax_platforms", "cpu")  # do not even open a GPU
        cache_directory()
    except ValueError as error:
        raise ConfigurationError(str(error)) from None


def _run(settings: Settings, model: Callable, table: Table, config: Path):
    """Fit; return the result, the warnings and, for a fit that did not converge, its error."""
    import warnings

    from nlsq import FitError, curve_fit
    from nlsq.cli.errors import ConfigurationError, NotConverged
    from nlsq.cli.model_file import USER_CODE_ERRORS, model_failure, raised_in

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            result = curve_fit(
                model, table.x, table.y, sigma=table.sigma, **_options(settings.fitting)
            )
        except FitError as error:
            if error.result is None:
                raise
            result = error.result
        except USER_CODE_ERRORS as error:
            if raised_in(error, settings.model.path):
                raise model_failure(error, settings.model.path) from error
            if isinstance(error, TypeError | ValueError):
                raise ConfigurationError(f"{config}: {error}") from error
            raise
    notes = list(dict.fromkeys(str(warning.message) for warning in caught))
    notes += [note for note in result.warnings if not any(note in said for said in notes)]
    failure = None
    if not result.success:  # also an interrupted fit, which raises nothing
        fix = "What is shown is the best point so far."
        failure = NotConverged(f"{config}: {result.message}", fix)
    return result, notes, failure


def _options(fitting: Fitting) -> dict[str, Any]:
    """Keyword arguments of `curve_fit`."""
    import math

    options = fitting.model_dump(exclude={"bounds"}, exclude_defaults=True)
    if fitting.bounds is not None:
        lower, upper = fitting.bounds.lower, fitting.bounds.upper
        low = -math.inf if lower is None else [-math.inf if v is None else v for v in lower]
        high = math.inf if upper is None else [math.inf if v is None else v for v in upper]
        options["bounds"] = (low, high)
    return options


def _present(
    result: CurveFitResult, settings: Settings, table: Table, notes: list[str], plot: bool
) -> None:
    from rich.console import Console
    from rich.text import Text

    from nlsq.cli import report

    console = Console(highlight=False)
    source = settings.data.input_file.name
    title = settings.metadata.workflow_name or f"{settings.model.function} fitted to {source}"
    dataset = f" ({settings.metadata.dataset_id})" if settings.metadata.dataset_id else ""
    console.print(Text(title, "bold") + Text(dataset, "dim"), soft_wrap=True)
    console.print()
    console.print(report.parameter_table(result, settings.certified))
    console.print()
    console.print(report.statistics_table(result))
    _print_outcome(console, result, notes)
    if plot:
        console.print()
        console.print(report.terminal_plot(result, table, console))
    console.print()
    export = settings.export
    if export.results_file is not None:
        sources = {
            "data": str(settings.data.input_file),
            "model": f"{settings.model.path}:{settings.model.function}",
        }
        document = report.results_document(result, settings, sources)
        report.write_results(document, export.results_file)
        console.print(f"wrote {export.results_file}", soft_wrap=True)
    if export.figure is not None:
        report.write_figure(result, table, settings.metadata.workflow_name, export.figure)
        console.print(f"wrote {export.figure}", soft_wrap=True)


def _print_outcome(console: Console, result: CurveFitResult, notes: list[str]) -> None:
    from rich.text import Text

    console.print()
    mark = Text("converged: ", "green") if result.success else Text("not converged: ", "bold red")
    console.print(mark + Text(result.message))
    console.print(Text(f"model: {result.model_info.describe()}", "dim"))
    for note in notes:
        console.print(Text("warning: ", "yellow") + Text(note))
