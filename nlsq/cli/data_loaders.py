"""How a command line says which data to load: columns, rows, and the form of the file.

`nlsq.session.points` loads them, by the readers of `nlsq.io`.
"""

from __future__ import annotations

from typing import Any

import click

from nlsq.cli.options import Setting
from nlsq.session.words import read_column

FORMATS = ("csv", "json", "hdf5", "npz", "npy", "parquet", "arrow", "excel", "jcamp")


def _columns(texts: tuple[str, ...]) -> Any:
    found = [read_column(text) for text in texts]
    return found if len(found) > 1 else found[0]


DATA = [
    Setting(
        ["-x", "--x"], key="data.columns.x", multiple=True, metavar="COLUMN", read=_columns,
        help="Column of x: its name, its number from 0, or an expression of columns. Repeat it for "
        "a model of several variables.",
    ),
    Setting(
        ["-y", "--y"], key="data.columns.y", metavar="COLUMN", read=read_column,
        help="Column of y, or an expression such as \"log(V)\".",
    ),
    Setting(
        ["--yerr"], key="data.columns.sigma", metavar="COLUMN", read=read_column,
        help="Column of the standard deviations of y.",
    ),
    Setting(
        ["--where"], key="data.where", metavar="CONDITION",
        help="Fit only these rows, for example \"t > 3 and sample == 'A'\".",
    ),
    Setting(["--rows"], key="data.rows", metavar="A:B[:STEP]", help="Range of rows, from 0."),
    Setting(["--exclude"], key="data.exclude", metavar="ROWS",
            help="Leave out these rows of the file, counted from 0: 3,7,10-20."),
    Setting(["--x-range"], key="data.x_range", metavar="LOW:HIGH",
            help="Fit only where x is in this range, 2.5:7; an empty side is open: 2.5:"),
    Setting(
        ["--format"], key="data.format", type=click.Choice(FORMATS),
        help="Format of the file, when its name does not tell.",
    ),
    Setting(["--delimiter"], key="data.csv.delimiter", help="Separator of columns in a text file."),
    Setting(["--decimal"], key="data.csv.decimal", type=click.Choice([".", ","]),
            help="Decimal sign in a text file."),
    Setting(["--header/--no-header"], key="data.csv.header", default=None, is_flag=True,
            help="Whether the first line of a text file names the columns."),
    Setting(["--comment"], key="data.csv.comment", metavar="MARK",
            help="Mark that begins a comment in a text file."),
    Setting(["--encoding"], key="data.csv.encoding", help="Encoding of a text file, e.g. latin-1."),
    Setting(["--skip"], key="data.csv.skip_header", type=click.IntRange(0), metavar="LINES",
            help="Lines to skip at the beginning of a text file."),
    Setting(["--sheet"], key="data.sheet", read=read_column, help="Sheet of an Excel file."),
    Setting(["--group"], key="data.group", help="Group of an HDF5 file that holds the columns."),
]  # fmt: skip
