"""A short Python script that repeats a fit."""

from __future__ import annotations

import keyword
import math
import pprint
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from nlsq.utils.input_error import InputError


@dataclass(frozen=True)
class Recipe:
    """What was fitted to what.

    Parameters
    ----------
    data_file : str
        Name of the data file, beside the script.
    x : str or tuple of str
        Name of a column, or a Python expression of columns; several become coordinates.
    y, sigma, where : str
        Likewise; `sigma` and `where` may be empty.
    columns : mapping of str to str
        Names of variables in the expressions, and the columns that they are; an expression that is
        the name of a column needs none.
    reading : mapping
        Options of `nlsq.io.read_table`.
    kind : {"formula", "builtin", "file"}
    model : str
        The formula, the name of the model, or the path of the Python file.
    function : str
        The function in the file.
    independent : str
        The variable of a formula.
    names : tuple of str
        The parameters in the order that the model takes them. Default: those of `p0`.
    p0, bounds, fixed : mapping
        By parameter: start, (lower, upper), value. `p0` has all of `names`, or none.
    options : mapping
        More keywords of `nlsq.curve_fit`.
    expected : mapping of str to float
        The parameters found, to compare with.
    unfinished : str
        Why the fit did not converge, where it did not: the script then takes its best point too.

    Examples
    --------
    >>> recipe = Recipe("run.csv", "t", "V", kind="builtin", model="gaussian", p0={"mu": 1.0})
    >>> print(reproduction_script(recipe))
    # Repeats a fit; needs numpy and nlsq, and run.csv beside it.
    ...
    table = read_table(folder / 'run.csv')
    x = table.numeric('t')
    y = table.numeric('V')
    model = nlsq.models.get('gaussian')
    ...
    """

    data_file: str
    x: str | tuple[str, ...]
    y: str
    sigma: str = ""
    where: str = ""
    columns: Mapping[str, str] = field(default_factory=dict)
    reading: Mapping[str, Any] = field(default_factory=dict)
    kind: Literal["formula", "builtin", "file"] = "formula"
    model: str = ""
    function: str = ""
    independent: str = "x"
    names: tuple[str, ...] = ()
    p0: Mapping[str, float] = field(default_factory=dict)
    bounds: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    fixed: Mapping[str, float] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    expected: Mapping[str, float] = field(default_factory=dict)
    unfinished: str = ""

    def __post_init__(self) -> None:
        if not self.names:
            object.__setattr__(self, "names", tuple(self.p0))
        given = {*self.p0, *self.bounds, *self.fixed}
        if unknown := sorted(given - set(self.names)):
            raise InputError(f"{unknown[0]!r} is not among the parameters {self.names}.")
        if self.p0 and (lacking := [n for n in self.names if n not in {**self.p0, **self.fixed}]):
            raise InputError(f"p0 has no start for {lacking[0]!r}.")
        if self.kind not in ("formula", "builtin", "file"):
            raise InputError(f"kind is 'formula', 'builtin' or 'file', not {self.kind!r}.")
        for name in self.columns:
            if not name.isidentifier() or keyword.iskeyword(name):
                raise InputError(f"{name!r} is no name of a variable.")


def reproduction_script(recipe: Recipe, reading: Sequence[str] | None = None) -> str:
    """Python source that reads the data, fits, prints, and compares with what was found.

    Parameters
    ----------
    recipe : Recipe
    reading : sequence of str, optional
        Lines that make x, y and sigma; default: from the file beside the script. With them the
        script stands alone: it may be pasted anywhere, and the path of a model file is whole.

    Returns
    -------
    str
    """
    beside = reading is None
    file = _comment(recipe.data_file)
    head = [
        f"# Repeats a fit; needs numpy and nlsq, and {file}{' beside it' * beside}.",
        *(["from pathlib import Path", ""] if beside or recipe.kind == "file" else []),
        "import numpy as np",
        "",
        "import nlsq",
        *(["import nlsq.models"] if recipe.kind != "file" else []),
        *(["from nlsq.io import read_table", "", "folder = Path(__file__).parent"] * beside),
    ]
    data = _data(recipe) if reading is None else list(reading)
    return "\n".join([*head, *data, "", *_model(recipe, beside), "", *_fit(recipe), ""])


def _comment(text: str) -> str:
    return " ".join(text.split())


def _data(recipe: Recipe) -> list[str]:
    options = "".join(f", {key}={value!r}" for key, value in recipe.reading.items())
    lines = [f"table = read_table(folder / {recipe.data_file!r}{options})"]
    lines += [f"{name} = table[{column!r}]" for name, column in recipe.columns.items()]
    if recipe.where:
        lines.append(f"table = table.where({recipe.where})")
        lines += [f"{name} = table[{column!r}]" for name, column in recipe.columns.items()]
    if isinstance(recipe.x, str):
        lines.append(f"x = {_value(recipe.x, recipe)}")
    else:
        lines.append(f"x = np.stack([{', '.join(_value(x, recipe) for x in recipe.x)}])")
    lines.append(f"y = {_value(recipe.y, recipe)}")
    if recipe.sigma:
        lines.append(f"sigma = {_value(recipe.sigma, recipe)}")
    return lines


def _value(text: str, recipe: Recipe) -> str:
    """A column by its name, or an expression where its variables are declared."""
    words = set(re.findall(r"[^\W\d]\w*", text))
    return text if words & set(recipe.columns) else f"table.numeric({text!r})"


def _model(recipe: Recipe, beside: bool) -> list[str]:
    if recipe.kind == "formula":
        return [f"model = nlsq.models.formula({recipe.model!r}, x={recipe.independent!r})"]
    if recipe.kind == "builtin":
        return [f"model = nlsq.models.get({recipe.model!r})"]
    path = f"(folder / {recipe.model!r})" if beside else f"Path({recipe.model!r})"
    return [
        f"# the model, from the file{' beside this script' * beside}; its code runs unchecked",
        "space = {}",
        f"exec({path}.read_text(encoding='utf-8'), space)",
        f"model = space[{recipe.function!r}]",
    ]


def _fit(recipe: Recipe) -> list[str]:
    lines = []
    keywords = ["sigma=sigma"] if recipe.sigma else []
    if recipe.p0:
        lines += _assigned("start", {n: {**recipe.p0, **recipe.fixed}[n] for n in recipe.names})
        keywords.append("p0=list(start.values())")
    if recipe.bounds or recipe.fixed:
        pairs = {name: recipe.bounds.get(name, (-math.inf, math.inf)) for name in recipe.names}
        lines += _assigned("bounds", pairs | {n: (v, v) for n, v in recipe.fixed.items()})
        keywords.append("bounds=tuple(zip(*bounds.values()))")
    if recipe.options:
        lines += _assigned("options", dict(recipe.options))
        keywords.append("**options")
    call = f"fit = nlsq.curve_fit({', '.join(['model, x, y', *keywords])})"
    if recipe.unfinished:
        caught = "except nlsq.FitError as error:"
        call = (
            f"try:\n    {call}\n{caught}\n    fit = error.result  # {_comment(recipe.unfinished)}"
        )
    lines += [call, "print(fit)"]
    if recipe.expected:
        lines += ["", *_assigned("found", dict(recipe.expected))]
        lines += [
            "off = [abs(fit.popt[i] - found[name]) / (fit.perr[i] or 1) for i, name in "
            "enumerate(fit.names)]",
            "print(f'largest difference to the fit found before: {max(off):.2g} standard errors')",
        ]
    return lines


def _assigned(name: str, value: Any) -> list[str]:
    text = f"{name} = " + pprint.pformat(_Source.of(value), width=88, sort_dicts=False)
    return text.replace("\n", "\n" + " " * (len(name) + 3)).split("\n")


class _Source(float):
    """A number that prints as source code: inf as np.inf."""

    def __repr__(self) -> str:
        value = float(self)
        return repr(value) if math.isfinite(value) else f"np.{value}".replace("np.-", "-np.")

    @classmethod
    def of(cls, value: Any) -> Any:
        if isinstance(value, Mapping):
            return {key: cls.of(item) for key, item in value.items()}
        if isinstance(value, (list, tuple)):
            return type(value)(cls.of(item) for item in value)
        return cls(value) if isinstance(value, float) and not math.isfinite(value) else value
