"""Where a result goes: to the terminal, to standard output as text, and into files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from nlsq.session.saving import FIGURES, check_files, save, text_of

if TYPE_CHECKING:
    from rich.console import Console

    from nlsq.session.configuration import Configuration
    from nlsq.session.settings import Settings

PRINTED = ("table", "json", "csv", "markdown", "latex", "shell")
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
            from nlsq.session.errors import ConfigurationError

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
        check_files(settings, self.own)

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
        from nlsq.io import FileError
        from nlsq.session.errors import DataError, ProgramError

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
            from nlsq.cli.visualization import show

            show(console(), document, result, self.plot)
            click.echo()
        else:
            click.echo(text_of("." + _SUFFIX[self.printed], document, result), nl=False)


_SUFFIX = {"json": "json", "csv": "csv", "markdown": "md", "latex": "tex", "shell": "sh"}


def console() -> Console:
    """Standard output; plain when it is no terminal, without colour under NO_COLOR."""
    from rich.console import Console

    return Console(highlight=False)
