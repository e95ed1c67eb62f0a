"""``nlsq report``: a page about a finished fit."""

from __future__ import annotations

from pathlib import Path

import click

EXAMPLES = """
\b
Examples:
  nlsq fit data.csv -m linear -o fit.json
  nlsq report fit.json -o fit.html
  nlsq report fit.json            # in the terminal
"""


@click.command(epilog=EXAMPLES)
@click.argument("document", type=click.Path(path_type=Path), metavar="RESULT")
@click.option("-o", "--output", multiple=True, type=click.Path(path_type=Path),
              help="File to write: .html, .csv, .md, .tex, .sh, .png, .pdf or .svg.")  # fmt: skip
@click.option("--no-plot", is_flag=True, help="Do not plot in the terminal.")
def report(document: Path, output: tuple[Path, ...], no_plot: bool) -> None:
    """Show the fit that nlsq fit wrote to RESULT (JSON), or write it in other forms."""
    from nlsq.cli.result_exporter import Output
    from nlsq.io import FileError, read_document, restore
    from nlsq.session.errors import ConfigurationError, DataError
    from nlsq.session.saving import FIGURES, check_file, require_matplotlib, save

    for path in output:
        check_file(path)
        if path.suffix.lower() in (".zip", ".json") or path.suffix.lower() not in SUFFIXES:
            raise ConfigurationError(
                f"{path}: nothing is written with this suffix.", f"Known are {' '.join(SUFFIXES)}."
            )
        if path.suffix.lower() in (".html", *FIGURES):
            require_matplotlib(path)
    try:
        found = read_document(document)
        result = restore(found)
    except FileError as error:
        raise DataError(error.message, error.fix) from None
    if not output:
        Output(plot=not no_plot).print(found, result)
    for path in output:
        save(path, found, result, None)
        click.echo(f"wrote {path}")


SUFFIXES = (".html", ".csv", ".md", ".tex", ".sh", ".png", ".svg", ".pdf")
