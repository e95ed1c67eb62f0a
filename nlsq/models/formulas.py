"""Formulas as text: ``a*exp(-t/tau) + c``, checked and compiled, never evaluated as Python.

A formula is parsed by `ast`; every node must be in a short list (numbers, names, arithmetic,
comparisons, ``and or not``, ``a if test else b``, calls of known functions), and what runs is
compiled from a tree built anew from that list. There are no attributes, subscripts or objects to
reach anything from. Constant parts are computed when the formula is parsed.

Besides Python's operators ``^`` is power, with the precedence of ``**``; ``×``, ``·``, ``−``, ``²``
and ``³`` mean what they say. ``pi``, ``e``, ``inf`` and ``nan`` are constants; ``ln`` is ``log``.
"""

from __future__ import annotations

import ast
import types
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from nlsq.models import formula_tree
from nlsq.models.formula_functions import FUNCTIONS, Function, Logical, SameText
from nlsq.models.formula_latex import latex
from nlsq.models.formula_tree import FormulaError as FormulaError
from nlsq.utils.input_error import did_you_mean

if TYPE_CHECKING:
    import numpy as np


def parse(text: str) -> Formula:
    """Parse a formula.

    Parameters
    ----------
    text : str
        The formula, up to 4000 characters.

    Returns
    -------
    Formula
        What the formula says, as a model, as values or as LaTeX.

    Raises
    ------
    FormulaError
        If the text is no formula; it names the column (`position`, from 1), what is wrong there
        and how to mend it.

    Examples
    --------
    >>> formula = parse("a*exp(-t/tau) + c")
    >>> formula.names
    ('a', 't', 'tau', 'c')
    >>> import inspect
    >>> str(inspect.signature(formula.model("t")))
    '(t, a, tau, c)'
    """
    return Formula(text)


class Formula:
    """A checked formula.

    Parameters
    ----------
    text : str
        The formula.

    Attributes
    ----------
    text : str
        As it was written.
    names : tuple of str
        The free names (parameters, variables, columns) in order of appearance.
    summands : tuple of str
        What adds up to it, as it was written, what is subtracted with its sign.
    constants : set of str
        The constants in it: pi, e.

    Raises
    ------
    FormulaError
        If the text is no formula.

    Examples
    --------
    >>> Formula("log(V)*1e3").evaluate({"V": [1.0, 2.718281828459045]}).tolist()
    [0.0, 1000.0]
    """

    def __init__(self, text: str):
        self._checked = formula_tree.check(text)
        self.text, self.names = text, tuple(self._checked.names)
        self.summands, self.constants = self._checked.terms, self._checked.constants

    def __repr__(self) -> str:
        return f"Formula({self.text!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Formula) and self.text == other.text

    def __hash__(self) -> int:
        return hash(self.text)

    def __reduce__(self):
        return (Formula, (self.text,))

    def model(
        self, variables: str | Sequence[str], parameters: Sequence[str] | None = None
    ) -> Callable:
        """The formula as a function ``f(x, *parameters)`` to fit.

        Parameters
        ----------
        variables : str or sequence of str
            The independent variable. Of several, x holds the rows: ``x[0]``, ``x[1]``...
        parameters : sequence of str, optional
            All other names, in the order wanted; the order of appearance by default.

        Returns
        -------
        callable
            A function with these names in its signature, for NumPy arrays and under JAX. Models
            of equal formulas share compiled programs.

        Raises
        ------
        FormulaError
            If a variable does not occur, `parameters` are not the remaining names, none remains,
            or the formula compares texts.

        Examples
        --------
        >>> import numpy as np
        >>> from nlsq import curve_fit
        >>> plane = parse("a*x1 + b*x2 + c").model(("x1", "x2"))
        >>> x = np.array([[0.0, 1.0, 0.0, 2.0], [0.0, 0.0, 1.0, 1.0]])
        >>> popt, pcov = curve_fit(plane, x, [1.0, 3.0, 4.0, 8.0])
        >>> popt.round(6).tolist()
        [2.0, 3.0, 1.0]
        """
        arguments, rows = self._arguments(variables, parameters)
        tree = formula_tree.function(arguments, self._checked.number(), arguments[0], rows)
        return _compiled(tree, self.text)

    def terms(
        self, variables: str | Sequence[str], parameters: Sequence[str] | None = None
    ) -> dict[str, Callable]:
        """The terms that add up to the formula, as they are written, each a function as `model`.

        Examples
        --------
        >>> list(parse("a*exp(-t/tau) - (b*t + c)").terms("t"))
        ['a*exp(-t/tau)', '-b*t', '-c']
        """
        arguments, rows = self._arguments(variables, parameters)
        found: dict[str, Callable] = {}
        for text in self.summands:
            tree = formula_tree.check(text).number()
            key = text if text not in found else f"{text} ({len(found) + 1})"
            found[key] = _compiled(formula_tree.function(arguments, tree, arguments[0], rows), text)
        return found

    def _arguments(
        self, variables: str | Sequence[str], parameters: Sequence[str] | None
    ) -> tuple[tuple[str, ...], dict[str, int]]:
        """The arguments of the function, and which rows of the first hold the variables."""
        several = not isinstance(variables, str)
        given = tuple(variables) if several else (variables,)
        for name in given:
            if name not in self.names:
                hint = did_you_mean(name, self.names, f"; it has {', '.join(self.names)}")
                raise FormulaError(self.text, None, f"it has no variable {name!r}{hint}", "")
        if self._checked.texts:
            name = next(iter(self._checked.texts))
            raise FormulaError(
                self.text, None, f"{name!r} is compared with a text", "A model computes numbers."
            )
        order = self._order(given, parameters)
        used = set(self.names)
        first = given[0] if not several else next(n for n in _fresh("x") if n not in used)
        rows = {name: i for i, name in enumerate(given)} if several else {}
        return (first, *order), rows

    def _order(self, variables: tuple[str, ...], parameters: Sequence[str] | None) -> list[str]:
        others = [n for n in self.names if n not in variables]
        order = others if parameters is None else list(parameters)
        if not others:
            what = f"it has no parameters beside {', '.join(variables)}"
            raise FormulaError(self.text, None, what, "Name what is to be fitted, as in a*x.")
        for name in order:
            if name not in others:
                hint = did_you_mean(name, others, f"; it has {', '.join(others)}")
                raise FormulaError(self.text, None, f"it has no parameter {name!r}{hint}", "")
        missing = [n for n in others if n not in order]
        if missing or len(set(order)) < len(order):
            what = f"parameters={order} must name each of {', '.join(others)} once"
            raise FormulaError(self.text, None, what, "")
        return order

    def evaluate(self, columns: Mapping[str, Any]) -> np.ndarray:
        """The formula on columns of data, by NumPy.

        Parameters
        ----------
        columns : mapping of str to array_like
            Columns by name; those that the formula does not name are not looked at.

        Returns
        -------
        ndarray
            float64, or bool for a condition; as long as the columns. Where the formula has no
            value (``log(-1)``) it is NaN or infinite.

        Raises
        ------
        FormulaError
            If a column is missing, holds no numbers (or no text where it is compared with one),
            or the lengths differ.

        Examples
        --------
        >>> run = {"t": [1.0, 4.0, 5.0], "sample": ["A", "A", "B"]}
        >>> parse("t > 3 and sample == 'A'").evaluate(run).tolist()
        [False, True, False]
        """
        import numpy as np

        values = {name: self._column(name, columns) for name in self.names}
        tree = formula_tree.function(self.names, self._checked.tree, None, {})
        with np.errstate(all="ignore"):
            try:
                result = np.asarray(_compiled(tree, self.text)(**values))
            except ValueError:
                lengths = ", ".join(f"{n} {np.shape(v)}" for n, v in values.items())
                what = f"the columns have different lengths: {lengths}"
                raise FormulaError(self.text, None, what, "") from None
        if result.ndim == 0 and not values:
            shape = next((np.shape(v) for v in columns.values()), ())
            result = np.full(shape, result)
        return result

    def _column(self, name: str, columns: Mapping[str, Any]) -> np.ndarray:
        import numpy as np

        found = next((c for c in columns if c == name or _normal(c) == name), None)
        if found is None:
            hint = did_you_mean(name, columns, f"; there are {', '.join(map(str, columns))}")
            where = self._checked.names[name]
            raise FormulaError(self.text, where, f"there is no column {name!r}{hint}", "")
        column = np.asarray(columns[found])
        if name in self._checked.texts:
            if column.dtype.kind in "UOT" and name not in self._checked.numbers:
                return column
            kind = "text" if column.dtype.kind in "UOT" else "numbers"
            other = "numbers" if kind == "text" else "text"
            what = f"column {name!r} holds {kind} and is used as {other}"
            raise FormulaError(self.text, self._checked.names[name], what, "")
        if column.dtype.kind == "b" and not self._checked.arithmetic:
            return column
        if column.dtype.kind in "biufO":
            try:  # whole numbers too: they wrap around and have no negative powers
                return column.astype(np.float64, copy=False)
            except (TypeError, ValueError):
                pass
        what = f"column {name!r} holds {column.dtype}, not numbers"
        fix = f"Compare it with a text: {name} == '...'." if column.dtype.kind in "UOT" else ""
        raise FormulaError(self.text, self._checked.names[name], what, fix)

    def latex(self) -> str:
        """LaTeX of the formula.

        Examples
        --------
        >>> print(parse("A*exp(-t/tau_1)").latex())
        A \\, \\exp\\left(\\frac{-t}{\\tau_{1}}\\right)
        """
        return latex(self._checked.written)

    def _repr_latex_(self) -> str:
        return f"${self.latex()}$"


def _normal(name: Any) -> str:
    return unicodedata.normalize("NFKC", str(name))


def _fresh(name: str):
    while True:
        yield name
        name += "_"


def _compiled(tree: ast.Module, text: str) -> Callable:
    """The function of a tree that `formula_tree` built, in a namespace of what it calls."""
    calls = {n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and n.id.startswith("__")}
    # Not the name of a module of ours: the identity of such a function would not be read.
    space: dict[str, Any] = {"__name__": "formula", "__builtins__": {}}
    for call in calls:
        name = call.removeprefix("__")
        if name in FUNCTIONS:
            space[call] = Function(name)
        else:
            space[call] = SameText(name) if name == "same_text" else Logical(name)
    exec(compile(tree, "<formula>", "exec"), space)  # our own tree: nothing in it is the user's
    function = space.pop("formula")
    assert isinstance(function, types.FunctionType)
    function.__doc__ = text
    return function
