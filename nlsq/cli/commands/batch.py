"""``nlsq batch``: one model, many files or groups."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import click

from nlsq.cli.data_loaders import DATA
from nlsq.cli.model_registry import MODEL
from nlsq.cli.options import FITTING, SET, STRICT, configure, options

_LONGEST_NAME = 200  # bytes; a number and a suffix follow, and most systems allow 255
EXAMPLES = """
\b
Examples:
  nlsq batch data/*.csv -x t -y V -m "a*exp(-t/tau)+c" --p0 tau=2 --table fits.csv
  nlsq batch run.csv --groupby sample -m michaelis_menten --plots plots
  nlsq batch batch.yaml "scans/**/*.csv" --table fits.parquet --resume
  nlsq batch data/*.csv -m exponential_decay --table fits.csv --dask local:4
"""


@options(DATA, MODEL, FITTING, SET)
@click.command(epilog=EXAMPLES)
@click.argument("sources", nargs=-1, required=True, metavar="[CONFIG] FILE...")
@click.option("--groupby", metavar="COLUMN",
              help="Fit the rows of each value of this column separately.")  # fmt: skip
@click.option(
    "--table",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Write the table of all fits to this file: .csv, .json or .parquet.",
)
@click.option(
    "--plots",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Folder for a figure of every fit.",
)
@click.option(
    "--resume",
    is_flag=True,
    help="Continue after an interruption: skip the fits in the journal beside --table.",
)
@click.option(
    "--worst",
    type=click.IntRange(0),
    default=10,
    show_default=True,
    help="Number of fits to list, worst first.",
)
@click.option(
    "--dask",
    metavar="CLUSTER",
    help="Fit by the workers of a Dask cluster: the address of its scheduler, as "
    "tcp://host:8786, or local:N for N processes of this machine.",
)
@click.option("--json", "as_json", is_flag=True, help="Print all fits as JSON.")
@click.option("-q", "--quiet", is_flag=True, help="Print errors only.")
@click.option("--strict", is_flag=True, help=STRICT)
@click.pass_context  # fmt: skip
def batch(context: click.Context, sources: tuple[str, ...], **given: Any) -> None:
    """Fit one model to every FILE (names or patterns), or to every group of rows in them.

    What CONFIG says holds for all. A file that cannot be read or fitted is reported and does not
    stop the rest; the exit code is then 2 (data) or 4 (not converged). A search (--method global,
    --multistart, --preset) fits each from several starts; the table then says how many of these
    local fits found the best minimum, and by what part the next one is worse (found, local_fits,
    next_minimum). The workers of --dask must see a model file under the same path.
    """
    from nlsq.cli.errors import NotConverged, Terminated
    from nlsq.cli.signals import terminated
    from nlsq.session.errors import LostProcess
    from nlsq.session.running import require_safe

    settings, paths = _what(context, sources, given["groupby"])
    if settings.model.path is not None:
        require_safe(settings)
    job = _Job(settings, given, paths)
    try:
        stopped = job.run(paths)
    except LostProcess:
        job.write()  # what is done
        raise
    job.write()
    if stopped:
        left = "Go on with the same command and --resume." if job.table is not None else ""
        kind = Terminated if terminated() else NotConverged
        raise kind(f"stopped with {len(job.rows)} of {job.total} fits done.", left)
    job.conclude()


@contextmanager
def _workers(address: str | None) -> Iterator[Any]:
    """The client of the Dask cluster that --dask names, or None."""
    from nlsq.session.errors import ConfigurationError

    with ExitStack() as stack:
        client = None
        if address is not None:
            from nlsq.core.drive.batch.clusters import connected

            try:
                client = stack.enter_context(connected(address))
            except (ImportError, ValueError, ConnectionError, RuntimeError) as error:
                raise ConfigurationError(f"--dask: {error}") from error
        yield client


def _what(context: click.Context, sources: tuple[str, ...], groupby: str | None):
    """Settings and files of the command line."""
    import glob

    from nlsq.session.batching import require_many
    from nlsq.session.configuration import SUFFIXES
    from nlsq.session.errors import DataError

    config = sources[0] if Path(sources[0]).suffix.lower() in SUFFIXES else None
    configuration = configure(context, config)
    paths = []
    for source in sources[config is not None :]:
        found = sorted(glob.glob(source, recursive=True)) if glob.has_magic(source) else [source]
        if not found:
            raise DataError(f"{source}: no file matches this pattern.")
        paths += [Path(path) for path in found if not os.path.isdir(path)]
    if not paths:
        raise DataError("no files to fit.", "Name them after the configuration file.")
    configuration.set("data.input_file", str(paths[0]), "the command line")
    if groupby is not None:
        configuration.set("data.columns.group", groupby, "the command line")
    settings = configuration.settings()
    require_many(settings)
    return settings, list(dict.fromkeys(paths))


class _Job:
    """A batch on its way."""

    def __init__(self, settings: Any, given: dict[str, Any], paths: list[Path]):
        from nlsq.session.batch_rows import check_table
        from nlsq.session.errors import ConfigurationError
        from nlsq.session.journal import Journal
        from nlsq.session.saving import check_file, require_matplotlib

        self.settings, self.given = settings, given
        self.table, self.plots = given["table"], given["plots"]
        if self.table is not None:
            check_file(self.table, data=paths)
            check_table(self.table)
        elif given["resume"]:
            raise ConfigurationError("--resume needs --table, whose journal says what is done.")
        if self.plots is not None:
            require_matplotlib(self.plots)
        journal = None if self.table is None else self.table.with_name(self.table.name + ".journal")
        try:
            if self.plots is not None:
                self.plots.mkdir(parents=True, exist_ok=True)
            self.journal = Journal(journal, given["resume"])
        except OSError as error:
            raise ConfigurationError(
                f"{error.filename or self.table}: cannot be written: {error.strerror}.",
                "Choose another --table or --plots.",
            ) from None
        if self.journal.damaged:
            many = self.journal.damaged > 1
            click.echo(
                f"warning: {journal}: {self.journal.damaged} line{'s are' if many else ' is'} "
                f"damaged; what {'they' if many else 'it'} held is fitted again.",
                err=True,
            )
        self.placed: dict[int, dict[str, Any]] = {}
        self.figures: set[str] = set()
        self.undrawn: list[str] = []
        self.total = 0

    @property
    def rows(self) -> list[dict[str, Any]]:
        """A row per fit that is done, in the order of the files and of the groups in them."""
        return [self.placed[place] for place in sorted(self.placed)]

    def run(self, paths: list[Path]) -> bool:
        """Fit everything; whether it was stopped before the end."""
        from nlsq.session.batching import find_items, fit_all
        from nlsq.utils import interruption
        from nlsq.utils.progress import progress_bar

        self.total = len(paths)  # with groups: at least
        show = False if self.given["quiet"] else None
        with (
            _workers(self.given["dask"]) as client,
            progress_bar(self.total, "fits", show) as advance,
        ):

            def done(rows: list[dict[str, Any]]) -> None:
                advance(len(rows))
                self._draw(rows)

            items = find_items(paths, self.settings)
            try:
                for place, row in fit_all(
                    items, self.settings, self.journal, self.plots is not None, done, client
                ):
                    self.placed[place] = row
                    interruption.worth_saving()
            except KeyboardInterrupt:
                return True
        self.total = len(self.placed)
        return False

    def _draw(self, rows: list[dict[str, Any]]) -> None:
        if self.plots is None:
            return
        from nlsq.io import FileError, restore
        from nlsq.session.saving import write_figure

        for row in rows:
            if "document" in row:
                path = self.plots / f"{self._figure_name(row['fit'])}.png"
                try:
                    write_figure(path, row["document"], restore(row["document"]))
                except FileError as error:  # a figure less is no reason to lose the fits
                    self.undrawn.append(str(error))

    def _figure_name(self, label: str) -> str:
        """The label as the name of a file; labels that become the same one get a number."""
        name = "".join(c if c.isalnum() or c in "-_." else "_" for c in label)
        if len(name.encode()) > _LONGEST_NAME:
            name = name.encode()[:_LONGEST_NAME].decode(errors="ignore")
        count, fresh = 1, name
        while fresh.casefold() in self.figures:
            count += 1
            fresh = f"{name}-{count}"
        self.figures.add(fresh.casefold())
        return fresh

    def write(self) -> None:
        """The table in the order of the files, and what is printed, worst first."""
        from nlsq.cli.batch_table import show
        from nlsq.cli.result_exporter import console
        from nlsq.session.batch_rows import badness, table_json, write_table

        for message in self.undrawn[:3]:
            click.echo(f"warning: {message}", err=True)
        if self.table is not None:
            write_table(self.table, self.rows)
        if self.given["as_json"]:
            click.echo(table_json(self.rows), nl=False)
        elif not self.given["quiet"]:
            show(console(), sorted(self.rows, key=badness), self.given["worst"])
            if self.table is not None:
                click.echo(f"wrote {self.table}")

    def conclude(self) -> None:
        """Raise what the exit code says."""
        from nlsq.cli.errors import NotConverged, Undetermined
        from nlsq.session.errors import DataError

        count = {}
        for row in self.rows:
            count[row["outcome"]] = count.get(row["outcome"], 0) + 1
        for outcome, kind in (
            ("bad data", DataError), ("not fitted", NotConverged), ("not converged", NotConverged),
        ):  # fmt: skip
            if count.get(outcome):
                raise kind(f"{count[outcome]} of {len(self.rows)}: {outcome}; the rest is done.")
        if self.undrawn:
            raise DataError(
                f"{len(self.undrawn)} of {len(self.placed)} figures could not be written; the fits "
                "are done."
            )
        doubtful = [r["fit"] for r in self.rows if r.get("undetermined") or r.get("at_bound")]
        if self.given["strict"] and doubtful:
            raise Undetermined(
                f"{len(doubtful)} of {len(self.rows)} fits have parameters that are undetermined "
                "or on a bound."
            )
