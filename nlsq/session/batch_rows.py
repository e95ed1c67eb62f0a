"""The rows of a batch: which fit is worse, and the files that all are written to."""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from pathlib import Path
from typing import Any

from nlsq.io import FileError
from nlsq.io.documents import write_file
from nlsq.session.errors import ConfigurationError, DataError

TABLES = (".csv", ".json", ".parquet")
#: How a fit ends, the worst first.
OUTCOMES = {"bad data": 0, "not fitted": 1, "not converged": 2, "converged": 3}


def badness(row: dict[str, Any]) -> tuple:
    """Sorts the worst first: failures, then doubtful parameters, then by R²."""
    once = bool(row.get("local_fits")) and row["found"] == 1  # there may be a better minimum
    doubtful = bool(row.get("undetermined")) or bool(row.get("at_bound")) or once
    r_squared = row.get("r_squared")
    r_squared = -2.0 if r_squared is None else r_squared
    return OUTCOMES[row["outcome"]], not doubtful, r_squared, row["fit"]


def write_table(path: Path, rows: list[dict[str, Any]]) -> None:
    """Write the rows; the suffix gives the format."""
    names = _columns(rows)
    suffix = path.suffix.lower()
    if suffix == ".json":
        content: str | bytes = table_json(rows)
    elif suffix == ".csv":
        content = table_text(rows)
    else:
        import pyarrow as pa
        import pyarrow.parquet as pq

        columns = {name: [row.get(name) for row in rows] for name in names}
        sink = pa.BufferOutputStream()
        pq.write_table(pa.table(columns), sink)
        content = sink.getvalue().to_pybytes()
    try:
        write_file(path, content)
    except FileError as error:
        raise DataError(error.message, error.fix) from None


def table_text(rows: list[dict[str, Any]], delimiter: str = ",") -> str:
    """The rows as CSV."""
    text = io.StringIO()
    writer = csv.DictWriter(text, _columns(rows), delimiter=delimiter, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def parameter_columns(rows: list[dict[str, Any]]) -> list[str]:
    """The columns of parameters; each has another one, with `_err`, beside it."""
    whole = max(rows, key=len, default={})
    return [name[:-4] for name in whole if name.endswith("_err") and name[:-4] in whole]


def told(rows: list[dict[str, Any]]) -> str:
    """How many ended how."""
    counts = Counter(row["outcome"] for row in rows)
    return ", ".join(f"{counts[o]} {o}" for o in reversed(OUTCOMES) if counts[o])


def _columns(rows: list[dict[str, Any]]) -> list[str]:
    """Names of the columns; those of rows with parameters first."""
    whole = sorted(rows, key=len, reverse=True)
    return list(dict.fromkeys(name for row in whole for name in row))


def table_json(rows: list[dict[str, Any]]) -> str:
    """The rows as JSON."""
    return json.dumps(rows, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def check_table(path: Path) -> None:
    """Raise where no table can be written under this name.

    Raises
    ------
    ConfigurationError
    """
    from importlib.util import find_spec

    suffix = path.suffix.lower()
    if suffix not in TABLES:
        raise ConfigurationError(f"{path}: a table is {' or '.join(TABLES)}.")
    if suffix == ".parquet" and find_spec("pyarrow") is None:
        raise ConfigurationError(
            f"{path}: Parquet needs pyarrow, which is not installed.",
            "Install it with: pip install pyarrow",
        )
