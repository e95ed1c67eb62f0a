"""``nlsq config``: templates of configuration files, and what is wrong with one."""

from __future__ import annotations

import os
from importlib.resources import files
from pathlib import Path

import click

TEMPLATES = {"fit": "fit.yaml", "batch": "batch.yaml", "model": "model.py"}
EXAMPLES = """
\b
Examples:
  nlsq config                    # writes fit.yaml, with every entry explained
  nlsq config model -o decay.py
  nlsq config --check run.yaml
"""


@click.command(epilog=EXAMPLES)
@click.argument("kind", type=click.Choice(list(TEMPLATES)), default="fit")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="File to write; - prints.")
@click.option("-f", "--force", is_flag=True, help="Overwrite the file if it exists.")
@click.option("--check", type=click.Path(path_type=Path), metavar="FILE",
              help="Check a configuration file for mistakes. Writes nothing.")  # fmt: skip
def config(kind: str, output: Path | None, force: bool, check: Path | None) -> None:
    """Write a commented template: of a fit, a batch, or a model file."""
    from nlsq.session.errors import ConfigurationError
    from nlsq.session.saving import check_file

    if check is not None:
        from nlsq.session.configuration import Configuration

        settings = Configuration.read(check).settings()
        click.echo(f"{check}: no mistakes; {settings.model.text} to {settings.data.input_file}")
        return
    text = files("nlsq.cli.templates").joinpath(TEMPLATES[kind]).read_text("utf-8")
    if output == Path("-"):
        click.echo(text, nl=False)
        return
    path = output or Path(TEMPLATES[kind])
    check_file(path)
    if os.path.exists(path) and not force:
        raise ConfigurationError(f"{path}: is there already.", "Replace it with --force.")
    from nlsq.io import FileError
    from nlsq.io.documents import write_file

    try:
        write_file(path, text)
    except FileError as error:
        raise ConfigurationError(error.message, error.fix) from None
    click.echo(f"wrote {path}")
