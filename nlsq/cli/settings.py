"""The YAML file of ``nlsq fit``: what it may say, and where it says something else."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError

from nlsq.cli.errors import ConfigurationError
from nlsq.constants import DEFAULT_F_SCALE, DEFAULT_FTOL, DEFAULT_GTOL, DEFAULT_XTOL
from nlsq.types import MethodLiteral
from nlsq.utils.input_error import did_you_mean

Column = int | str


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Metadata(_Section):
    """Names that go into the report and the results file."""

    workflow_name: str | None = None
    dataset_id: str | None = None


class Columns(_Section):
    """Columns by number from 0 or by header name; several x columns make ``x`` (k, m)."""

    x: Column | list[Column] = 0
    y: Column = 1
    sigma: Column | None = None


class Csv(_Section):
    """How the text is laid out; ``delimiter: null`` means white space."""

    delimiter: str | None = ","
    header: bool = True
    comment: str | None = "#"
    encoding: str = "utf-8"
    skip_header: int = 0


class Data(_Section):
    input_file: Path
    format: Literal["csv"] = "csv"
    columns: Columns = Columns()
    csv: Csv = Csv()


class Model(_Section):
    """A Python file and the function in it, ``f(x, *params)``."""

    type: Literal["custom"] = "custom"
    path: Path
    function: str


class Bounds(_Section):
    """One limit per parameter; null is no limit."""

    lower: list[float | None] | None = None
    upper: list[float | None] | None = None


def _pair_to_bounds(value: Any) -> Any:
    if isinstance(value, list) and len(value) == 2 and all(isinstance(v, list) for v in value):
        return {"lower": value[0], "upper": value[1]}
    return value


class Fitting(_Section):
    """Options of `nlsq.curve_fit`; those left out keep its defaults."""

    p0: list[float] | None = None
    bounds: Annotated[Bounds | None, BeforeValidator(_pair_to_bounds)] = None
    method: MethodLiteral | None = None
    ftol: float | None = DEFAULT_FTOL
    xtol: float | None = DEFAULT_XTOL
    gtol: float | None = DEFAULT_GTOL
    max_nfev: int | None = None
    loss: Literal["linear", "soft_l1", "huber", "cauchy", "arctan"] = "linear"
    f_scale: float = DEFAULT_F_SCALE
    absolute_sigma: bool = False


class Certified(_Section):
    """Reference values to compare with, in the order of the parameters."""

    values: list[float]
    stderr: list[float] | None = None


class Export(_Section):
    results_file: Path | None = None
    figure: Path | None = None


class Settings(_Section):
    """A whole file."""

    metadata: Metadata = Metadata()
    data: Data
    model: Model
    fitting: Fitting = Fitting()
    certified: Certified | None = None
    export: Export = Export()


_SECTIONS: dict[tuple[str, ...], type[_Section]] = {
    (): Settings,
    ("metadata",): Metadata,
    ("data",): Data,
    ("data", "columns"): Columns,
    ("data", "csv"): Csv,
    ("model",): Model,
    ("fitting",): Fitting,
    ("fitting", "bounds"): Bounds,
    ("certified",): Certified,
    ("export",): Export,
}


def read_settings(path: Path) -> Settings:
    """Read and check a YAML file.

    Input paths in it are relative to its own folder and come back resolved.

    Raises
    ------
    ConfigurationError
        With the file, the line and the key.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ConfigurationError(f"{path}: cannot be read: {reason}.") from None
    try:
        tree = yaml.compose(text, Loader=yaml.SafeLoader)
        content = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{path}:{mark.line + 1}" if mark else f"{path}"
        problem = getattr(error, "problem", None) or error
        raise ConfigurationError(f"{where}: not valid YAML: {problem}.") from None
    if not isinstance(content, dict):
        known = ", ".join(Settings.model_fields)
        raise ConfigurationError(f"{path}: no sections found.", f"Sections are {known}.")
    lines = _lines(tree, path)
    try:
        settings = Settings.model_validate(content)
    except ValidationError as error:
        raise ConfigurationError("\n".join(_explain(error, lines, path))) from None
    folder = path.resolve().parent
    data = settings.data.model_copy(update={"input_file": folder / settings.data.input_file})
    model = settings.model.model_copy(update={"path": folder / settings.model.path})
    return settings.model_copy(update={"data": data, "model": model})


def _lines(tree: yaml.Node, path: Path) -> dict[tuple, int]:
    """Line number of every key and list element, by its path in the document."""
    found: dict[tuple, int] = {(): 1}

    def walk(node: yaml.Node, at: tuple) -> None:
        if isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                here, line = (*at, key.value), key.start_mark.line + 1
                if here in found:
                    raise ConfigurationError(
                        f"{path}:{line}: {_dotted(here)} is given twice, first in line "
                        f"{found[here]}.",
                        "Keep one of them.",
                    )
                found[here] = line
                walk(value, here)
        elif isinstance(node, yaml.SequenceNode):
            for i, value in enumerate(node.value):
                found[*at, i] = value.start_mark.line + 1
                walk(value, (*at, i))

    walk(tree, ())
    return found


def _explain(error: ValidationError, lines: dict[tuple, int], path: Path) -> list[str]:
    """One sentence per wrong key; pydantic reports each branch of a union, one is enough."""
    said: dict[tuple, str] = {}
    for problem in error.errors(include_url=False):
        where = problem["loc"]
        missing = problem["type"] == "missing"
        while where not in lines and not (missing and where[:-1] in lines):
            where = where[:-1]
        if where in said:
            continue
        line = lines[where[:-1] if missing else where]
        said[where] = f"{path}:{line}: {_dotted(where)}: {_sentence(problem, where)}"
    return list(said.values())


def _sentence(problem: Any, where: tuple) -> str:
    if problem["type"] == "extra_forbidden":
        known = _SECTIONS[where[:-1]].model_fields
        listed = f"; known are {', '.join(known)}."
        return f"unknown key{did_you_mean(where[-1], known, listed)}"
    if problem["type"] == "missing":
        return "is required and missing."
    message = problem["msg"][0].lower() + problem["msg"][1:]
    return f"{message}; got {problem['input']!r}."


def _dotted(where: tuple) -> str:
    text = ""
    for part in where:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text
