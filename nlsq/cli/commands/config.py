"""``nlsq config``: templates of configuration files, and what is wrong with one."""

from __future__ import annotations

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
    from nlsq.cli.errors import ConfigurationError
    from nlsq.cli.outputs import check_file

    if check is not None:
        from nlsq.cli.configuration import Configuration

        settings = Configuration.read(check).settings()
        click.echo(f"{check}: no mistakes; {settings.model.text} to {settings.data.input_file}")
        return
    text = files("nlsq.cli.templates").joinpath(TEMPLATES[kind]).read_text("utf-8")
    if output == Path("-"):
        click.echo(text, nl=False)
        return
    path = output or Path(TEMPLATES[kind])
    check_file(path)
    if path.exists() and not force:
        raise ConfigurationError(f"{path}: is there already.", "Replace it with --force.")
    from nlsq.utils.atomic import write_atomically

    write_atomically(path, text.encode())
    click.echo(f"wrote {path}")
