"""What a finished fit can be copied and written as; the command line writes the same.

A script and a command repeat a fit to the last digit. What they cannot say, a configuration file
says (`config_adapter.export_yaml_config`), and `NotSaid` names it.
"""

from __future__ import annotations

import dataclasses
import os
import pprint
import shlex
import subprocess
from pathlib import Path
from typing import Any

from nlsq.session.apart import Call, write
from nlsq.session.configuration import SUFFIXES
from nlsq.session.errors import ConfigurationError
from nlsq.session.saving import DOCUMENTS, FIGURES, check_file, check_kind
from nlsq.session.settings import Bounds, Settings
from nlsq.session.words import read_column, read_model

KINDS = {
    "Result (JSON)": ".json", "Table (CSV)": ".csv", "Table (Markdown)": ".md",
    "Table (LaTeX)": ".tex", "Page (HTML)": ".html", "Figure (PNG)": ".png",
    "Figure (SVG)": ".svg", "Figure (PDF)": ".pdf", "Bundle with data and script (ZIP)": ".zip",
}  # fmt: skip
assert set(KINDS.values()) <= {*DOCUMENTS, *FIGURES}

# Entries with an option whose text is the value; what has none is said by --set.
_OPTIONS = {
    "data.where": "--where", "data.rows": "--rows", "data.exclude": "--exclude",
    "data.format": "--format", "data.csv.delimiter": "--delimiter", "data.csv.decimal": "--decimal",
    "data.csv.comment": "--comment", "data.csv.encoding": "--encoding",
    "data.csv.skip_header": "--skip", "data.group": "--group", "fitting.method": "--method",
    "fitting.n_starts": "--multistart", "fitting.preset": "--preset",
    "fitting.sampler": "--sampler", "fitting.seed": "--seed", "fitting.loss": "--loss",
    "fitting.f_scale": "--f-scale", "fitting.ftol": "--ftol", "fitting.xtol": "--xtol",
    "fitting.gtol": "--gtol", "fitting.max_nfev": "--max-nfev",
    "fitting.time_limit": "--time-limit", "workflow.strategy": "--workflow",
    "workflow.memory_limit_gb": "--memory-limit", "workflow.chunk_size": "--chunk-size",
    "workflow.checkpoint": "--checkpoint", "workflow.processes": "--processes",
    "limits.memory_gb": "--limit-memory", "limits.seconds": "--limit-time",
}  # fmt: skip
_FLAGS = {
    ("data.csv.header", True): "--header", ("data.csv.header", False): "--no-header",
    ("fitting.absolute_sigma", True): "--absolute-sigma",
    ("fitting.nan_policy", "omit"): "--omit-nan", ("model.trusted", True): "--trust",
    ("limits.bubblewrap", True): "--bubblewrap",
}  # fmt: skip
_COLUMNS = {"data.columns.x": "-x", "data.columns.y": "-y", "data.columns.sigma": "--yerr",
            "data.sheet": "--sheet"}  # fmt: skip


class NotSaid(ConfigurationError):
    """What only a configuration file can say."""

    def __init__(self, what: str):
        super().__init__(what, "Copy it as a configuration file: nlsq fit FILE.yaml repeats it.")


def writing(path: Path, document: dict[str, Any], result: Any, settings: Settings) -> Call:
    """The writing of a file, whose suffix says what, as a call.

    Raises
    ------
    ProgramError
    """
    check_file(path, data=[settings.data.input_file])
    check_kind(path)
    return write(path, document, result, settings)


def as_python(document: dict[str, Any], result: Any, settings: Settings) -> str:
    """A script that reads the same points, fits them from the same start, and compares.

    Raises
    ------
    NotSaid
    """
    from nlsq.io import reproduction_script
    from nlsq.result import StreamedFitResult
    from nlsq.session.bundle import recipe

    if isinstance(result, StreamedFitResult):
        raise NotSaid("The file was read piece by piece, which a short script does not do.")
    made = recipe(settings, document, result)
    path = settings.model.path
    made = dataclasses.replace(
        made,
        data_file=str(settings.data.input_file),
        model=made.model if path is None else os.path.abspath(path),
    )
    return reproduction_script(made, _reading(settings))


def _reading(settings: Settings) -> list[str]:
    data = settings.data.model_dump(mode="json", exclude_defaults=True)
    data["input_file"] = os.path.abspath(settings.data.input_file)
    omit = ", omit=True" if settings.fitting.nan_policy == "omit" else ""
    return [
        "from nlsq.session.points import load, select",
        "from nlsq.session.settings import Data",
        "",
        "data = Data.model_validate(",
        *("    " + line for line in pprint.pformat(data, width=84, sort_dicts=False).split("\n")),
        ")",
        f"points = select(load(data), data{omit})",
        "x, y, sigma = points.x, points.y, points.sigma",
    ]


def as_command(settings: Settings) -> str:
    """The command line that makes this fit, or, where each group has one, a table of all.

    Raises
    ------
    NotSaid
    """
    file = os.path.abspath(settings.data.input_file)
    if Path(file).suffix.lower() in SUFFIXES:
        raise NotSaid(f"{file}: nlsq fit takes this for a configuration file by its name.")
    content = settings.model_dump(mode="json", exclude_defaults=True, exclude={"export"})
    del content["data"]["input_file"]
    many = settings.data.columns.group is not None and settings.data.only is None
    words = ["nlsq", "batch" if many else "fit", file, *_model_words(content["model"])]
    words += ["--table", f"{Path(file).stem}-fits.csv"] if many else []
    for key, value in _leaves(content):
        words += _said(key, value, settings)
    return subprocess.list2cmdline(words) if os.name == "nt" else shlex.join(words)


def _model_words(model: dict[str, Any]) -> list[str]:
    """The words of a model; what they say is taken out."""
    said = {k: model.pop(k) for k in ("formula", "name", "path", "function") if k in model}
    model.pop("type", None)  # which follows
    if "path" in said:
        said["path"] = os.path.abspath(said["path"])
    text = said.get("formula") or said.get("name") or f"{said['path']}:{said['function']}"
    if read_model(text) == said:
        return ["-m", text]
    return [word for key, value in said.items() for word in _set(f"model.{key}", value)]


def _leaves(tree: dict[str, Any], at: str = "") -> list[tuple[str, Any]]:
    """Entries with their keys; what has names of parameters for keys is one entry."""
    found = []
    for key, value in tree.items():
        here = f"{at}{key}"
        inside = isinstance(value, dict) and not here.startswith("fitting.")
        found += _leaves(value, f"{here}.") if inside else [(here, value)]
    return found


def _said(key: str, value: Any, settings: Settings) -> list[str]:
    if key in _COLUMNS:
        columns = value if isinstance(value, list) and len(value) > 1 else [value]
        if all(read_column(str(column)) == column for column in columns):
            return [word for column in columns for word in (_COLUMNS[key], str(column))]
    elif key == "model.variable" and (isinstance(value, str) or len(value) > 1):
        names = [value] if isinstance(value, str) else value
        return [word for name in names for word in ("--variable", name)]
    elif key == "fitting.p0" and isinstance(value, dict):
        return [word for name, at in value.items() for word in ("--p0", f"{name}={at!r}")]
    elif key == "fitting.p0":
        return ["--p0", value if isinstance(value, str) else ",".join(map(repr, value))]
    elif key == "fitting.bounds" and not isinstance(settings.fitting.bounds, Bounds):
        return [
            word for name, pair in value.items() for word in ("--bounds", f"{name}={_range(pair)}")
        ]
    elif key == "data.x_range":
        return ["--x-range", _range(value)]
    elif key == "fitting.fixed":
        named = ((name if at is None else f"{name}={at!r}") for name, at in value.items())
        return [word for name in named for word in ("--fix", name)]
    elif isinstance(value, bool | str) and (key, value) in _FLAGS:
        return [_FLAGS[key, value]]
    elif key in _OPTIONS and value is not None:
        return [_OPTIONS[key], value if isinstance(value, str) else repr(value)]
    return _set(key, value)


def _range(pair: list[float | None]) -> str:
    return ":".join("" if side is None else repr(side) for side in pair)


def _set(key: str, value: Any) -> list[str]:
    import yaml

    text = yaml.safe_dump(
        [value], default_flow_style=True, width=float("inf"), allow_unicode=True, sort_keys=False
    )
    return ["--set", f"{key}={text.strip()[1:-1]}"]
