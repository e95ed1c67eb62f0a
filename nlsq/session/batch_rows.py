"""The rows of a batch: which fit is worse, and the files that all are written to."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import math
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from nlsq.io import FileError
from nlsq.result.formatting import Rounding
from nlsq.session.errors import ConfigurationError, DataError
from nlsq.session.settings import Settings

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
    from nlsq.io.documents import write_file  # with results, which a window begins without

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
    doubtful = sum(bool(row.get("undetermined") or row.get("at_bound")) for row in rows)
    said = ", ".join(f"{counts[o]} {o}" for o in reversed(OUTCOMES) if counts[o])
    return said + f", {doubtful} doubtful" * bool(doubtful)


def status(row: dict[str, Any]) -> str:
    """How a fit ended and what is doubtful in it, in words."""
    doubts = [
        f"{words}: {row[key]}"
        for key, words in (("undetermined", "not determined"), ("at_bound", "on its bound"))
        if row.get(key)
    ]
    return "; ".join([row.get("outcome", ""), *doubts])


def shown(row: dict[str, Any], column: str) -> str:
    """A number of a fit, with its error where it has one."""
    value, error = row.get(column), row.get(f"{column}_err")
    if value is None:
        return ""
    if f"{column}_err" not in row:
        return f"{value:.5f}"
    digits = Rounding.of(value, math.inf if error is None else error)
    return digits.text(value) + ("" if error is None else f" ± {digits.error(error)}")


@dataclasses.dataclass(frozen=True)
class GroupFits:
    """Fits of the groups of a table, as they were asked for.

    Attributes
    ----------
    settings : Settings
    content : dict
        The sections they are of, and when the file was written.
    rows : dict of int to dict
        What is known of each, by the place of its group; more while they are fitted.
    """

    settings: Settings
    content: dict[str, Any]
    rows: dict[int, dict[str, Any]]

    @property
    def table(self) -> list[dict[str, Any]]:
        """The rows in the order of the groups."""
        rows = dict(self.rows)
        return [rows[place] for place in sorted(rows)]


@dataclasses.dataclass(frozen=True)
class Trend:
    """A parameter of many fits.

    Attributes
    ----------
    names : list of str
        What they are of.
    x : ndarray (n,)
        Their names as numbers, where these are different numbers; else the places of the fits.
    y, errors : ndarray (n,)
        The parameter and its standard error; nan where there is none.
    good : ndarray of bool (n,)
        Which of them converged.
    """

    names: list[str]
    x: np.ndarray
    y: np.ndarray
    errors: np.ndarray
    good: np.ndarray

    @classmethod
    def of(cls, names: list[str], rows: dict[int, dict[str, Any]], parameter: str) -> Trend:
        """Of the rows that there are, by their places."""
        every = [rows.get(place, {}) for place in range(len(names))]
        y, errors = (
            np.array([np.nan if row.get(key) is None else row[key] for row in every], float)
            for key in (parameter, f"{parameter}_err")
        )
        good = np.array([row.get("outcome") == "converged" for row in every], bool)
        return cls(names, _places(names), y, errors, good)

    @property
    def numbered(self) -> bool:
        """Whether x are the places of the fits."""
        return bool((self.x == np.arange(self.x.size)).all())


def _places(names: list[str]) -> np.ndarray:
    try:
        found = np.array([float(name) for name in names])
    except ValueError:
        found = np.array([np.nan])
    apart = np.isfinite(found).all() and len(set(found.tolist())) == len(names)
    return found if apart else np.arange(float(len(names)))


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
