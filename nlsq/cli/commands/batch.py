"""``nlsq batch``: one model, many files or groups."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from nlsq.cli.options import DATA, FITTING, MODEL, SET, STRICT, configure, options

TABLES = (".csv", ".json", ".parquet")
EXAMPLES = """
\b
Examples:
  nlsq batch data/*.csv -x t -y V -m "a*exp(-t/tau)+c" --p0 tau=2 --table fits.csv
  nlsq batch run.csv --groupby sample -m michaelis_menten --plots plots
  nlsq batch batch.yaml "scans/**/*.csv" --table fits.parquet --resume
"""


@options(DATA, MODEL, FITTING, SET)
@click.command(epilog=EXAMPLES)
@click.argument("sources", nargs=-1, required=True, metavar="[CONFIG] FILE...")
@click.option("--groupby", metavar="COLUMN", help="Fit each group of rows of a file on its own.")
@click.option(
    "--table",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Table of all fits: .csv, .json or .parquet.",
)
@click.option(
    "--plots",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Draw every fit there.",
)
@click.option(
    "--resume",
    is_flag=True,
    help="Skip what the journal beside --table has; go on after an interruption.",
)
@click.option(
    "--worst",
    type=click.IntRange(0),
    default=10,
    show_default=True,
    help="Fits to list, worst first.",
)
@click.option("--json", "as_json", is_flag=True, help="Print all fits as JSON.")
@click.option("-q", "--quiet", is_flag=True, help="Print errors only.")
@click.option("--strict", is_flag=True, help=STRICT)
@click.pass_context  # fmt: skip
def batch(context: click.Context, sources: tuple[str, ...], **given: Any) -> None:
    """Fit one model to every FILE (names or patterns), or to every group of rows in them.

    What CONFIG says holds for all. A file that cannot be read or fitted is reported and does not
    stop the rest; the exit code is then 2 (data) or 4 (not converged).
    """
    from nlsq.cli.errors import NotConverged, Terminated
    from nlsq.cli.running import require_safe
    from nlsq.cli.signals import terminated

    settings, paths = _what(context, sources)
    if settings.model.path is not None:
        require_safe(settings)
    job = _Job(settings, given)
    stopped = job.run(paths)
    job.write()
    if stopped:
        left = "Go on with the same command and --resume." if job.table is not None else ""
        kind = Terminated if terminated() else NotConverged
        raise kind(f"stopped with {len(job.rows)} of {job.total} fits done.", left)
    job.conclude()


def _what(context: click.Context, sources: tuple[str, ...]):
    """Settings and files of the command line."""
    import glob

    from nlsq.cli.configuration import SUFFIXES
    from nlsq.cli.errors import DataError

    config = sources[0] if Path(sources[0]).suffix.lower() in SUFFIXES else None
    configuration = configure(context, config)
    paths = []
    for source in sources[config is not None :]:
        found = sorted(glob.glob(source, recursive=True)) if glob.has_magic(source) else [source]
        if not found:
            raise DataError(f"{source}: no file matches this pattern.")
        paths += [Path(path) for path in found if not Path(path).is_dir()]
    if not paths:
        raise DataError("no files to fit.", "Name them after the configuration file.")
    configuration.set("data.input_file", str(paths[0]), "the command line")
    settings = configuration.settings()
    _refuse_what_is_for_one_fit(settings)
    return settings, list(dict.fromkeys(paths))


def _refuse_what_is_for_one_fit(settings: Any) -> None:
    from nlsq.cli.errors import ConfigurationError
    from nlsq.cli.settings import Export, Workflow

    given = {
        "workflow": settings.workflow != Workflow(),
        "certified": settings.certified is not None,
        "export": settings.export != Export(),
    }
    for section in (name for name, there in given.items() if there):
        raise ConfigurationError(
            f"{section} is for a single fit (nlsq fit), not for nlsq batch.",
            "A batch writes what --table and --plots name.",
        )


class _Job:
    """A batch on its way."""

    def __init__(self, settings: Any, given: dict[str, Any]):
        from nlsq.cli.batching import Journal
        from nlsq.cli.errors import ConfigurationError
        from nlsq.cli.outputs import check_file, require_matplotlib

        self.settings, self.given = settings, given
        self.table, self.plots = given["table"], given["plots"]
        if self.table is not None:
            check_file(self.table)
            if self.table.suffix.lower() not in TABLES:
                raise ConfigurationError(f"{self.table}: a table is {' or '.join(TABLES)}.")
            if self.table.suffix.lower() == ".parquet":
                _require_pyarrow(self.table)
        elif given["resume"]:
            raise ConfigurationError("--resume needs --table, whose journal says what is done.")
        if self.plots is not None:
            require_matplotlib(self.plots)
            self.plots.mkdir(parents=True, exist_ok=True)
        journal = None if self.table is None else self.table.with_name(self.table.name + ".journal")
        self.journal = Journal(journal, given["resume"])
        self.rows: list[dict[str, Any]] = []
        self.figures: dict[str, int] = {}
        self.total = 0

    def run(self, paths: list[Path]) -> bool:
        """Fit everything; whether it was stopped before the end."""
        from nlsq.cli.batching import find_items, fit_all
        from nlsq.utils import interruption
        from nlsq.utils.progress import progress_bar

        self.total = len(paths)  # with groups: at least
        show = False if self.given["quiet"] else None
        with progress_bar(self.total, "fits", show) as advance:

            def done(rows: list[dict[str, Any]]) -> None:
                advance(len(rows))
                self._draw(rows)

            items = find_items(paths, self.settings, self.given["groupby"])
            try:
                for row in fit_all(
                    items, self.settings, self.journal, self.plots is not None, done
                ):
                    self.rows.append(row)
                    interruption.worth_saving()
            except KeyboardInterrupt:
                return True
        self.total = len(self.rows)
        return False

    def _draw(self, rows: list[dict[str, Any]]) -> None:
        if self.plots is None:
            return
        from nlsq.cli.outputs import write_figure
        from nlsq.io import restore

        for row in rows:
            if "document" in row:
                path = self.plots / f"{self._figure_name(row['fit'])}.png"
                write_figure(path, row["document"], restore(row["document"]))

    def _figure_name(self, label: str) -> str:
        """The label as the name of a file; labels that become the same one get a number."""
        name = "".join(c if c.isalnum() or c in "-_." else "_" for c in label)
        count = self.figures[name] = self.figures.get(name, 0) + 1
        return name if count == 1 else f"{name}-{count}"

    def write(self) -> None:
        """The table, worst first, and what is printed."""
        from nlsq.cli.outputs import console

        self.rows.sort(key=badness)
        if self.table is not None:
            write_table(self.table, self.rows)
        if self.given["as_json"]:
            click.echo(_json(self.rows), nl=False)
        elif not self.given["quiet"]:
            show(console(), self.rows, self.given["worst"])
            if self.table is not None:
                click.echo(f"wrote {self.table}")

    def conclude(self) -> None:
        """Raise what the exit code says."""
        from nlsq.cli.errors import DataError, NotConverged, Undetermined

        count = {}
        for row in self.rows:
            count[row["outcome"]] = count.get(row["outcome"], 0) + 1
        for outcome, kind in (
            ("bad data", DataError), ("not fitted", NotConverged), ("not converged", NotConverged),
        ):  # fmt: skip
            if count.get(outcome):
                raise kind(f"{count[outcome]} of {len(self.rows)}: {outcome}; the rest is done.")
        doubtful = [r["fit"] for r in self.rows if r.get("undetermined") or r.get("at_bound")]
        if self.given["strict"] and doubtful:
            raise Undetermined(
                f"{len(doubtful)} of {len(self.rows)} fits have parameters that are undetermined "
                "or on a bound."
            )


_ORDER = {"bad data": 0, "not fitted": 1, "not converged": 2, "converged": 3}


def badness(row: dict[str, Any]) -> tuple:
    """Sorts the worst first: failures, then doubtful parameters, then by R²."""
    doubtful = bool(row.get("undetermined")) or bool(row.get("at_bound"))
    r_squared = row.get("r_squared")
    return (
        _ORDER[row["outcome"]], not doubtful, -2.0 if r_squared is None else r_squared, row["fit"],
    )  # fmt: skip


def write_table(path: Path, rows: list[dict[str, Any]]) -> None:
    """Write the rows; the suffix gives the format."""
    import csv
    import io

    from nlsq.utils.atomic import write_atomically

    names = list(dict.fromkeys(name for row in rows[::-1] for name in row))
    suffix = path.suffix.lower()
    if suffix == ".json":
        write_atomically(path, _json(rows).encode())
    elif suffix == ".csv":
        text = io.StringIO()
        writer = csv.DictWriter(text, names, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        write_atomically(path, text.getvalue().encode())
    else:
        import pyarrow as pa
        import pyarrow.parquet as pq

        columns = {name: [row.get(name) for row in rows] for name in names}
        sink = pa.BufferOutputStream()
        pq.write_table(pa.table(columns), sink)
        write_atomically(path, sink.getvalue().to_pybytes())


def _json(rows: list[dict[str, Any]]) -> str:
    import json

    return json.dumps(rows, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _require_pyarrow(path: Path) -> None:
    from importlib.util import find_spec

    from nlsq.cli.errors import ConfigurationError

    if find_spec("pyarrow") is None:
        raise ConfigurationError(
            f"{path}: Parquet needs pyarrow, which is not installed.",
            "Install it with: pip install 'nlsq[io]'",
        )


def show(console: Any, rows: list[dict[str, Any]], worst: int) -> None:
    """Print how many ended how, and the worst fits."""
    from collections import Counter

    from rich import box
    from rich.table import Table
    from rich.text import Text

    from nlsq.utils.input_error import harmless

    counts = Counter(row["outcome"] for row in rows)
    said = ", ".join(f"{counts[o]} {o}" for o in reversed(_ORDER) if counts[o])
    console.print(Text(f"{len(rows)} fits: ", "bold") + Text(said))
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1))
    table.add_column("fit", style="bold", overflow="fold")
    names = [
        n[:-4]
        for n in next((r for r in rows if r["outcome"] == "converged"), {})
        if n.endswith("_err")
    ]
    for name in names[:6]:
        table.add_column(Text(harmless(name)), justify="right")
    table.add_column("R²", justify="right")
    table.add_column("", overflow="fold")
    for row in rows[:worst]:
        values = [_value(row, name) for name in names[:6]]
        r_squared = "" if row.get("r_squared") is None else f"{row['r_squared']:.5f}"
        table.add_row(Text(harmless(row["fit"])), *values, r_squared, _note(row))
    if worst and rows:
        console.print()
        console.print(table)
        if len(rows) > worst:
            console.print(Text(f"... and {len(rows) - worst} better ones", "dim"))


def _value(row: dict[str, Any], name: str) -> str:
    value, error = row.get(name), row.get(f"{name}_err")
    if value is None:
        return ""
    return f"{value:.5g}" + ("" if error is None else f" ± {error:.2g}")


def _note(row: dict[str, Any]) -> Any:
    from rich.text import Text

    from nlsq.utils.input_error import harmless

    if row["outcome"] != "converged":
        return Text(harmless(row["message"]), "red")
    doubtful = [
        f"{key.replace('_', ' ')}: {row[key]}" for key in ("undetermined", "at_bound") if row[key]
    ]
    return Text("; ".join(doubtful), "yellow")
