"""What a fit is asked to be: the sections of a configuration file, which options also fill."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PrivateAttr, model_validator

from nlsq.constants import DEFAULT_F_SCALE, DEFAULT_FTOL, DEFAULT_GTOL, DEFAULT_XTOL
from nlsq.core.goals import OptimizationGoal, calculate_adaptive_tolerances
from nlsq.session.errors import ConfigurationError
from nlsq.session.masks import read_range, read_rows
from nlsq.types import (
    GoalLiteral,
    LossLiteral,
    MethodLiteral,
    NanPolicyLiteral,
    RoadLiteral,
    SamplerLiteral,
    SearchLiteral,
    SearchPresetLiteral,
    StabilityLiteral,
)
from nlsq.utils.input_error import did_you_mean


def _no_boolean(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError("yes, no, on and off are no names of columns unless they are quoted")
    return value


def _no_empty_list(value: Any) -> Any:
    if value == []:
        raise ValueError("a list of columns names one at least")
    return value


Column = Annotated[int | str, BeforeValidator(_no_boolean)]
#: One limit per parameter by name; None is no limit.
NamedBounds = dict[str, tuple[float | None, float | None]]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Metadata(_Section):
    """Names that go into the report and the results file."""

    workflow_name: str | None = None
    dataset_id: str | None = None


class Columns(_Section):
    """Columns by number from 0, by name, or expressions of them; several for x make it (k, m).

    `group` is the column whose values part the rows into groups, each a fit of its own.
    """

    x: Annotated[Column | list[Column], BeforeValidator(_no_empty_list)] = 0
    y: Column = 1
    sigma: Column | None = None
    group: Column | None = None


class Csv(_Section):
    """How a text is laid out; what is left out is detected."""

    delimiter: str | None = None
    decimal: Literal[".", ","] | None = None
    header: bool | None = None
    comment: str | None = None
    encoding: str | None = None
    skip_header: int | None = None


def _check_rows(value: Any) -> Any:
    if value is not None and not re.fullmatch(
        r"[0-9]{0,18}:[0-9]{0,18}(:[1-9][0-9]{0,17})?", str(value)
    ):
        raise ValueError("rows are start:stop or start:stop:step, counted from 0")
    return value


def _check_exclude(value: Any) -> Any:
    if value is None or value == []:
        return None
    text = ",".join(map(str, value)) if isinstance(value, list) else str(value)
    read_rows(text)
    return text


def _check_range(value: Any) -> Any:
    if value is None or (isinstance(value, list | tuple) and list(value) == [None, None]):
        return None
    value = read_range(value) if isinstance(value, str) else value
    sides = list(value) if isinstance(value, list | tuple) else []
    if len(sides) == 2:
        given = [v for v in sides if v is not None]
        if all(isinstance(v, int | float) and math.isfinite(v) for v in given):
            if given != sorted(given):
                raise ValueError(f"x_range ends before it begins: {given[0]} is above {given[1]}")
            return sides
    raise ValueError("x_range is [low, high], finite numbers; null leaves a side open")


class Data(_Section):
    """The file and which of its rows and columns are fitted.

    `exclude` counts the rows of the table in the file, whatever `rows` and `where` take of them.
    """

    input_file: Path
    format: (
        Literal["csv", "json", "hdf5", "npz", "npy", "parquet", "arrow", "excel", "jcamp"] | None
    ) = None
    columns: Columns = Columns()
    where: str | None = None
    rows: Annotated[str | None, BeforeValidator(_check_rows)] = None
    exclude: Annotated[str | None, BeforeValidator(_check_exclude)] = None
    x_range: Annotated[tuple[float | None, float | None] | None, BeforeValidator(_check_range)] = (
        None
    )
    csv: Csv = Csv()
    sheet: int | str | None = None
    group: str | None = None
    only: str | None = None

    @model_validator(mode="after")
    def _one_of_groups(self) -> Data:
        if self.only is not None and self.columns.group is None:
            raise ValueError("only names a group, and needs columns.group, the column of groups")
        return self

    @model_validator(mode="after")
    def _one_x_for_a_range(self) -> Data:
        x = self.columns.x
        if self.x_range is not None and isinstance(x, list) and len(x) > 1:
            raise ValueError(f"x_range is of one x, and there are {len(x)}: say it by where")
        return self

    @property
    def slice(self) -> slice:
        """The row range."""
        return slice(*(int(v) if v else None for v in (self.rows or ":").split(":")))

    @property
    def from_stdin(self) -> bool:
        """Whether the data come through standard input."""
        return str(self.input_file) == "-"


class Model(_Section):
    """A formula, the name of a built-in model (or a sum of them), or a function in a file."""

    formula: str | None = None
    name: str | None = None
    path: Path | None = None
    function: str | None = None
    variable: str | list[str] | None = None
    type: Literal["formula", "builtin", "custom", "polynomial"] | None = None
    degree: int | None = Field(None, ge=0)
    trusted: bool = False

    @model_validator(mode="before")
    @classmethod
    def _polynomial(cls, value: Any) -> Any:
        if isinstance(value, dict) and value.get("type") == "polynomial":
            value = dict(value)
            value |= {"type": "builtin", "name": f"polynomial{value.pop('degree', 3)}"}
        return value

    @model_validator(mode="after")
    def _one_kind(self) -> Model:
        given = [k for k in ("formula", "name", "path") if getattr(self, k) is not None]
        if len(given) != 1:
            found = " and ".join(given) or "nothing"
            raise ValueError(f"give one of formula, name, and path with function; {found} is given")
        if self.path is not None and self.function is None:
            raise ValueError("a model file needs the name of its function: FILE.py:FUNCTION")
        if self.path is None and self.function is not None:
            raise ValueError("function needs path, the file that it is in")
        if self.variable is not None and self.formula is None:
            raise ValueError("variable belongs to a formula")
        if self.trusted and self.path is None:
            raise ValueError("trusted belongs to a model file")
        wanted = {"formula": "formula", "name": "builtin", "path": "custom"}[given[0]]
        if self.type not in (None, wanted):
            raise ValueError(f"type is {self.type}, but {given[0]} is given")
        if self.degree is not None:
            raise ValueError("degree belongs to type: polynomial")
        return self

    @property
    def text(self) -> str:
        """The model in a few words, as the user gave it."""
        return self.formula or self.name or f"{self.path.name}:{self.function}"


class Bounds(_Section):
    """One limit per parameter, in their order; null is no limit."""

    lower: list[float | None] | None = None
    upper: list[float | None] | None = None


def _pair_to_bounds(value: Any) -> Any:
    if isinstance(value, list) and len(value) == 2 and all(isinstance(v, list) for v in value):
        return {"lower": value[0], "upper": value[1]}
    return value


def _names_to_fixed(value: Any) -> Any:
    """Names alone stay at their starts; a flag is no value to hold one at."""
    names = [value] if isinstance(value, str) else value
    if isinstance(names, list) and all(isinstance(name, str) for name in names):
        if twice := next((name for k, name in enumerate(names) if name in names[:k]), None):
            raise ValueError(f"it names {twice!r} twice")
        return dict.fromkeys(names)
    for name, held in value.items() if isinstance(value, dict) else ():
        if isinstance(held, bool):
            raise ValueError(
                f"{name} needs the value to hold it at, got {held}; or name it: [{name}]"
            )
    return value


_OF_MULTI_START = ("n_starts", "sampler", "center_on_p0", "scale_factor")
_OF_SEARCH = (*_OF_MULTI_START, "seed")


_SEARCHES_OF_MANY = {"global": "global_search", "multistart": "multistart"}


class Fitting(_Section):
    """Options of `nlsq.curve_fit`; those left out keep its defaults."""

    p0: list[float] | dict[str, float] | Literal["auto"] | None = None
    bounds: Annotated[Bounds | NamedBounds | None, BeforeValidator(_pair_to_bounds)] = None
    fixed: Annotated[dict[str, float | None], BeforeValidator(_names_to_fixed)] = {}
    method: Literal[MethodLiteral, SearchLiteral] | None = None
    preset: SearchPresetLiteral | None = None
    goal: GoalLiteral | None = None
    n_starts: int | None = Field(None, ge=1)
    sampler: SamplerLiteral | None = None
    center_on_p0: bool | None = None
    scale_factor: float | None = Field(None, gt=0)
    seed: int | None = Field(None, ge=0)
    ftol: float | None = DEFAULT_FTOL
    xtol: float | None = DEFAULT_XTOL
    gtol: float | None = DEFAULT_GTOL
    max_nfev: int | None = None
    loss: LossLiteral = "linear"
    f_scale: float = DEFAULT_F_SCALE
    absolute_sigma: bool = False
    nan_policy: NanPolicyLiteral = "raise"
    stability: StabilityLiteral = False
    time_limit: float | None = Field(None, gt=0)
    fallback: bool = False
    auto_bounds: bool = False
    bounds_safety_factor: float | None = Field(None, ge=1)

    @model_validator(mode="before")
    @classmethod
    def _filled_by_goal(cls, value: Any) -> Any:
        """With the search and the tolerances of the goal, where none are given."""
        goal = value.get("goal") if isinstance(value, dict) else None
        if goal not in get_args(GoalLiteral):
            return value  # none, or to be refused
        wish = OptimizationGoal.named(goal)
        own = calculate_adaptive_tolerances(0, wish)
        own = {k: v for k, v in own.items() if v != DEFAULT_FTOL and k not in value}
        searches = value.get("method") in get_args(SearchLiteral) or value.get("n_starts")
        if wish.search and not searches and value.get("preset") is None:
            own["preset"] = wish.search
        elif goal in ("robust", "global") and value.get("preset") != wish.search:
            raise ValueError(f"goal: {goal} is a search; leave the other one out")
        return value | own

    @property
    def search(self) -> str | None:
        """The method or preset that looks for the global minimum; None where nothing does."""
        if self.method in get_args(SearchLiteral):
            return self.method
        return self.preset or ("multistart" if self.n_starts is not None else None)

    @model_validator(mode="after")
    def _search_fits_together(self) -> Fitting:
        if self.bounds_safety_factor is not None and not self.auto_bounds:
            raise ValueError("bounds_safety_factor belongs to auto_bounds: true")
        if self.preset is not None and self.method in get_args(SearchLiteral):
            raise ValueError(f"give one of preset and method: {self.method}, each is a search")
        if self.fallback and self.search is not None:
            raise ValueError(
                f"fallback is for a fit from one start, and {self.search} is a search: leave one "
                "of them out"
            )
        given = [name for name in _OF_SEARCH if getattr(self, name) is not None]
        if given and self.search is None:
            raise ValueError(
                f"{given[0]} belongs to a search for the global minimum: add n_starts: 100 or "
                "method: global, or leave it out"
            )
        if (self.search or "").startswith("cmaes"):
            if self.method not in (None, "trf", self.search):
                raise ValueError(
                    f"preset: {self.preset} is followed by a fit by trf: leave out method: "
                    f"{self.method}"
                )
            for name in set(given) & set(_OF_MULTI_START):
                raise ValueError(f"{name} belongs to a search from many starts, not {self.search}")
        return self

    def options(self) -> dict[str, Any]:
        """Keywords of the fit beside start, bounds and data."""
        own = {"p0", "bounds", "fixed", "nan_policy", "preset", "goal"}
        found = self.model_dump(exclude=own, exclude_defaults=True)
        if (self.preset or "").startswith("cmaes"):
            return found | {"method": self.preset}
        if self.preset is not None:
            return found | {"search_config": self.preset}
        return found | ({"multistart": True} if self.search not in (None, self.method) else {})

    def options_of_many(self) -> dict[str, Any]:
        """The same as keywords of `nlsq.fit_many`, which has no `method`.

        Raises
        ------
        ConfigurationError
            The method is one of single fits.
        """
        found = self.options()
        method = found.pop("method", None)
        if method in _SEARCHES_OF_MANY:
            return found | {_SEARCHES_OF_MANY[method]: True}
        if method in (None, "trf"):
            return found
        if method == self.search:
            raise ConfigurationError(
                f"{method} is a search for single fits (nlsq fit).",
                "Many fits are searched from several starts each: --method global.",
            )
        raise ConfigurationError(f"many fits are made by trf; {method} is for a single fit.")


class Workflow(_Section):
    """How much data is held in memory, where a long fit keeps its state, who shares its work."""

    strategy: RoadLiteral = "auto"
    memory_limit_gb: float | None = Field(None, gt=0)
    chunk_size: int | None = Field(None, ge=1)
    checkpoint: Path | None = None
    checkpoint_interval: float = Field(30.0, ge=0)
    processes: int = Field(1, ge=1)


class Limits(_Section):
    """What the process of a model file that is not trusted may take."""

    memory_gb: float = Field(4.0, gt=0)
    seconds: float = Field(600.0, gt=0)
    bubblewrap: bool = False


class Certified(_Section):
    """Reference values to compare with, in the order of the parameters."""

    values: list[float]
    stderr: list[float] | None = None


def _as_list(value: Any) -> Any:
    return value if value is None or isinstance(value, list) else [value]


class Export(_Section):
    """Files to write; the suffix says what: json csv zip html md tex sh, or a figure's."""

    results_file: Annotated[list[Path], BeforeValidator(_as_list)] = []
    figure: Annotated[list[Path], BeforeValidator(_as_list)] = []


class Settings(_Section):
    """A whole fit."""

    metadata: Metadata = Metadata()
    data: Data
    model: Model
    fitting: Fitting = Fitting()
    workflow: Workflow = Workflow()
    limits: Limits = Limits()
    certified: Certified | None = None
    export: Export = Export()
    _places: dict[str, str] = PrivateAttr(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _workflow_by_name(cls, value: Any) -> Any:
        """``workflow: robust``, as ``fit(workflow="robust")``: a road to the data, or a search."""
        named = value.get("workflow") if isinstance(value, dict) else None
        if not isinstance(named, str):
            return value
        if named in get_args(RoadLiteral):
            return value | {"workflow": {"strategy": named}}
        if named not in (known := get_args(SearchPresetLiteral)):
            near = did_you_mean(named, known, f"; known are {', '.join(known)}")
            raise ValueError(f"workflow is a section, or the name of a road or search{near}")
        fitting = value.get("fitting") or {}
        if not isinstance(fitting, dict) or "preset" in fitting:
            raise ValueError(f"give one of workflow: {named} and fitting.preset")
        rest = {k: v for k, v in value.items() if k != "workflow"}
        return rest | {"fitting": fitting | {"preset": named}}

    @model_validator(mode="after")
    def _goal_fits_the_road(self) -> Settings:
        in_memory = self.workflow.strategy == "direct" or self.data.from_stdin
        if self.fitting.goal == "memory_efficient" and in_memory:
            raise ValueError("goal: memory_efficient is for data that are read piece by piece")
        return self

    @property
    def places(self) -> dict[str, str]:
        """Where entries were given, by "section.key"; known where a `Configuration` was checked."""
        return self._places

    @model_validator(mode="after")
    def _everything_has_a_use(self) -> Settings:
        confined = self.model.path is not None and not self.model.trusted
        if self.limits != Limits() and not confined:
            raise ValueError("limits belong to a model file that is not trusted")
        fitting = self.fitting
        if fitting.absolute_sigma and self.data.columns.sigma is None:
            raise ValueError("absolute_sigma needs the standard deviations (--yerr)")
        if fitting.loss == "linear" and fitting.f_scale != DEFAULT_F_SCALE:
            raise ValueError("f_scale belongs to a robust loss, and the loss is linear")
        work = self.workflow
        if fitting.fallback and work.strategy in ("chunked", "streaming"):
            raise ValueError("fallback is for data that are held in memory")
        for name in ("checkpoint", "chunk_size"):
            if getattr(work, name) is None:
                continue
            if work.strategy == "direct" or self.data.from_stdin:
                raise ValueError(f"{name} is for data that are read piece by piece")
        if work.checkpoint is not None and confined:
            raise ValueError(
                "a model file that is not trusted may write nothing, and a checkpoint is a file"
            )
        return self


SECTIONS: dict[tuple[str, ...], type[_Section]] = {
    (): Settings,
    ("metadata",): Metadata,
    ("data",): Data,
    ("data", "columns"): Columns,
    ("data", "csv"): Csv,
    ("model",): Model,
    ("fitting",): Fitting,
    ("fitting", "bounds"): Bounds,
    ("workflow",): Workflow,
    ("limits",): Limits,
    ("certified",): Certified,
    ("export",): Export,
}
