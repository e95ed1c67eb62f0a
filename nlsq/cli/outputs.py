"""Where a result goes: to the terminal, to standard output as text, and into files."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from rich.console import Console

    from nlsq.cli.configuration import Configuration
    from nlsq.cli.settings import Settings

PRINTED = ("table", "json", "csv", "markdown", "latex", "shell")
FIGURES = (".png", ".svg", ".pdf", ".jpg", ".jpeg", ".eps", ".ps", ".tif", ".tiff", ".webp")
DOCUMENTS = (".json", ".csv", ".md", ".tex", ".sh", ".html", ".zip")
OUTPUT = [
    click.Option(
        ["-o", "--output"], multiple=True, type=click.Path(path_type=Path),
        help="File to write; its suffix says what: .json .csv .md .tex .sh .html .zip, or a "
        "figure's. As often as wanted.",
    ),
    click.Option(["--print", "printed"], type=click.Choice(PRINTED),
                 help="What to print (table); with --quiet only this."),
    click.Option(["--json"], is_flag=True, help="Print the result as JSON: --print json."),
    click.Option(["-q", "--quiet"], is_flag=True, help="Print errors only."),
    click.Option(["--no-plot"], is_flag=True, help="Do not plot in the terminal."),
]  # fmt: skip


@dataclass(frozen=True)
class Output:
    """What to print; files to write are in the settings."""

    printed: str = "table"
    quiet: bool = False  # nothing is printed that was not asked for
    asked: bool = False  # for what is printed
    plot: bool = True
    own: tuple[Path, ...] = ()  # files named on the command line; others stay in this folder

    @classmethod
    def of(cls, configuration: Configuration, given: dict[str, Any]) -> Output:
        """From the options of a command; files go into the configuration."""
        results = [p for p in given["output"] if p.suffix.lower() not in FIGURES]
        figures = [p for p in given["output"] if p.suffix.lower() in FIGURES]
        for key, paths in (("export.results_file", results), ("export.figure", figures)):
            if paths:
                configuration.set(key, paths, "--output")
        printed = "json" if given["json"] else given["printed"]
        if given["printed"] not in (None, printed):
            from nlsq.cli.errors import ConfigurationError

            raise ConfigurationError(
                f"--json and --print {given['printed']}: one thing is printed.", "Leave one away."
            )
        asked, plot = printed is not None, not given["no_plot"]
        return cls(printed or "table", given["quiet"], asked, plot, given["output"])

    def check(self, settings: Settings) -> None:
        """Find out before the fit, not after it, that its results could not be written.

        Raises
        ------
        ConfigurationError
        """
        files = settings.export.results_file
        for path in (*files, *settings.export.figure):
            own = None if path in self.own else Path.cwd()
            check_file(path, own, [settings.data.input_file])
        for path in files:
            if path.suffix.lower() not in DOCUMENTS:
                from nlsq.cli.errors import ConfigurationError

                raise ConfigurationError(
                    f"{path}: nothing is written with this suffix.",
                    f"Known are {' '.join(DOCUMENTS)}, and for figures {' '.join(FIGURES[:3])}.",
                )
        drawn = [
            p for p in (*settings.export.figure, *files) if p.suffix.lower() in (".html", *FIGURES)
        ]
        if drawn:
            require_matplotlib(drawn[0])

    def is_whole(self, settings: Settings) -> bool:
        """Whether the result is written with all its content, which is as long as the data."""
        suffixes = {path.suffix.lower() for path in settings.export.results_file}
        return self.printed == "json" or not suffixes.isdisjoint((".json", ".html", ".zip"))

    def write(self, document: dict[str, Any], result: Any, settings: Settings) -> None:
        """Print and save.

        Raises
        ------
        DataError
            A file that cannot be written; what could be is.
        """
        from nlsq.cli.errors import DataError, ProgramError
        from nlsq.io import FileError

        if self.asked or not self.quiet:
            self.print(document, result)
        failed = None
        for path in (*settings.export.results_file, *settings.export.figure):
            try:
                save(path, document, result, settings)
            except FileError as error:
                failed = failed or DataError(error.message, error.fix)
                continue
            except ProgramError as error:
                failed = failed or error
                continue
            if not self.quiet:
                click.echo(f"wrote {path}", err=self.printed != "table")
        if failed is not None:
            raise failed

    def print(self, document: dict[str, Any], result: Any) -> None:
        """Print the result as asked."""
        if self.printed == "table":
            from nlsq.cli.present import show

            show(console(), document, result, self.plot)
            click.echo()
        else:
            click.echo(text_of("." + _SUFFIX[self.printed], document, result), nl=False)


_SUFFIX = {"json": "json", "csv": "csv", "markdown": "md", "latex": "tex", "shell": "sh"}


def console() -> Console:
    """Standard output; plain when it is no terminal, without colour under NO_COLOR."""
    from rich.console import Console

    return Console(highlight=False)


def check_file(path: Path, folder: Path | None = None, data: Iterable[Path] = ()) -> None:
    """Raise when nothing can be written there, it is outside of `folder`, or one of the `data`."""
    from nlsq.cli.errors import ConfigurationError
    from nlsq.security import validate_path
    from nlsq.utils.input_error import InputError

    try:
        validate_path(path, folder)
    except InputError as error:
        raise ConfigurationError(error.message, error.fix) from None
    if not os.path.isdir(path.resolve().parent):
        raise ConfigurationError(f"{path}: no such folder to write to.", "Create it first.")
    if os.path.exists(path) and any(os.path.exists(d) and path.samefile(d) for d in data):
        raise ConfigurationError(
            f"{path}: this file holds the data and would be replaced.", "Choose another name."
        )


def require_matplotlib(path: Path) -> None:
    """Raise when figures cannot be drawn."""
    from importlib.util import find_spec

    from nlsq.cli.errors import ConfigurationError

    if find_spec("matplotlib") is None:
        raise ConfigurationError(
            f"{path}: figures need matplotlib, which is not installed.",
            "Install it with: pip install matplotlib",
        )


def text_of(suffix: str, document: dict[str, Any], result: Any) -> str:
    """The result as text of one kind."""
    from nlsq.io import to_csv, to_latex, to_markdown, to_shell
    from nlsq.io.documents import completed, document_text
    from nlsq.io.html_report import html_report

    if suffix == ".json":
        return document_text(completed(document, result))
    if suffix == ".html":
        return html_report(completed(document, result))
    writers = {".csv": to_csv, ".md": to_markdown, ".tex": to_latex, ".sh": to_shell}
    return writers[suffix](result)


def save(path: Path, document: dict[str, Any], result: Any, settings: Settings) -> None:
    """Write one file and record it."""
    from nlsq.io.documents import write_file
    from nlsq.security import AuditLogger

    suffix = path.suffix.lower()
    if suffix in FIGURES:
        write_figure(path, document, result)
    elif suffix == ".zip":
        from nlsq.cli.bundle import write

        write(path, document, result, settings)
    else:
        write_file(path, text_of(suffix, document, result))
    AuditLogger().log_export(path, suffix)


def write_figure(path: Path, document: dict[str, Any], result: Any) -> None:
    """Draw data, fit and residuals; the suffix gives the format."""
    from nlsq.cli.errors import ConfigurationError
    from nlsq.io.bundle import figure
    from nlsq.io.documents import write_file

    try:
        write_file(path, figure(result, document, path.suffix[1:].lower()))
    except ValueError as error:  # a suffix that matplotlib has no writer for
        raise ConfigurationError(f"{path}: {error}.") from None
