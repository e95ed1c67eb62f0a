"""Formulas as models: their independent variable, and their terms."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from nlsq.models.formulas import Formula, FormulaError, parse
from nlsq.models.guessing import Scan
from nlsq.models.model import Model, Parameter, normal


class FormulaModel(Model):
    """The model of a formula; see `formula`."""

    def components(self, x: Any, *params: Any) -> dict[str, np.ndarray]:
        x = self.taken(x)
        terms = _terms(self.name, self.variables, self.names)
        if len(terms) == 1:
            return super().components(x, *params)
        found = {text: np.asarray(term(x, *params)) for text, term in terms.items()}
        shape = np.broadcast_shapes(*(np.shape(part) for part in found.values()))
        return {text: np.broadcast_to(part, shape) for text, part in found.items()}

    def solvable(self) -> Model:
        if self.start is not None or not parse(self.name).is_linear(self.names):
            return self
        return dataclasses.replace(self, start=Scan())

    def recipe(self) -> dict | None:
        return {"formula": self.name, "x": list(self.variables), "parameters": list(self.names)}

    def __reduce_ex__(self, protocol: Any) -> Any:
        return formula, (self.name, self.variables, self.names)


def formula(
    text: str, x: str | Sequence[str] = "x", parameters: Sequence[str] | None = None
) -> Model:
    """The model of a formula, ``a*exp(-x/tau) + c``.

    Parameters
    ----------
    text : str
        An expression with Python's operators (``^`` is power too) and the functions of
        `nlsq.models.formulas`.
    x : str or sequence of str
        The independent variable. Of several, the data hold the rows, or columns of these names.
    parameters : sequence of str, optional
        All other names, in the order wanted; by default as they appear.

    Returns
    -------
    Model
        Without a guess.

    Raises
    ------
    FormulaError
        A ValueError that says where: when the text is no formula, or does not mention x.

    Examples
    --------
    >>> from nlsq import models
    >>> decay = models.formula("a*exp(-t/tau) + c", x="t")
    >>> decay
    <model a*exp(-t/tau) + c(t, a, tau, c)>
    >>> list(decay.components([0.0, 1.0], 2.0, 1.5, 0.5))
    ['a*exp(-t/tau)', 'c']
    """
    given = (x,) if isinstance(x, str) else x
    if not isinstance(given, Sequence) or not all(isinstance(name, str) for name in given):
        raise TypeError(f"x must be the name of the variable, or several names, got {x!r}.")
    variables = tuple(map(normal, given))
    if not variables or len(set(variables)) < len(variables):
        what = f"x={list(variables)} must name at least one variable, and each once"
        raise FormulaError(text, None, what)
    return model_of(parse(text), variables, parameters and tuple(map(normal, parameters)))


def model_of(
    found: Formula, variables: tuple[str, ...], parameters: tuple[str, ...] | None = None
) -> FormulaModel:
    """The model of a parsed formula."""
    order = parameters or tuple(n for n in found.names if n not in variables)
    function = found.model(variables[0] if len(variables) == 1 else variables, order)
    return FormulaModel(
        function, found.text, f"Formula of {', '.join(variables)}", "formulas", found.text,
        tuple(Parameter(name, "") for name in order), variables=variables,
    )  # fmt: skip


@functools.lru_cache(64)
def _terms(
    text: str, variables: tuple[str, ...], parameters: tuple[str, ...]
) -> dict[str, Callable]:
    """The terms of a formula that add up to it, each a function of x and all parameters."""
    return parse(text).terms(variables[0] if len(variables) == 1 else variables, parameters)
