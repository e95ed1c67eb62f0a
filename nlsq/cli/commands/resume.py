"""``nlsq resume``: a fit that was stopped goes on."""

from __future__ import annotations

import os
from pathlib import Path

import click

from nlsq.cli.options import PROCESSES, STRICT, options
from nlsq.cli.result_exporter import OUTPUT, Output
from nlsq.cli.workflow_runner import run

EXAMPLES = """
\b
Examples:
  nlsq fit scan.h5 -x t -y v -m "a*exp(-t/tau)+c" --checkpoint run -o fit.json
  nlsq resume run
"""


@options(PROCESSES, OUTPUT)
@click.command(epilog=EXAMPLES)
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False), metavar="DIR")
@click.option("--trust", is_flag=True, help="Run the model file without checks, as at the start.")
@click.option("--strict", is_flag=True, help=STRICT)
def resume(folder: Path, trust: bool, strict: bool, **given) -> None:
    """Go on with the fit that keeps its state in DIR (nlsq fit --checkpoint DIR)."""
    from nlsq.session.configuration import Configuration
    from nlsq.session.errors import ConfigurationError
    from nlsq.session.resuming import REQUEST

    path = folder / REQUEST
    if not os.path.isfile(path):
        raise ConfigurationError(
            f"{folder}: no fit was begun here.", "Begin one with nlsq fit --checkpoint DIR"
        )
    configuration = Configuration.read(path)
    if trust:
        configuration.set("model.trusted", True, "--trust")
    if given["processes"] is not None:
        configuration.set("workflow.processes", given["processes"], "--processes")
    output = Output.of(configuration, given)
    settings = configuration.settings()
    output.check(settings)
    run(settings, output, strict, resume=True)
