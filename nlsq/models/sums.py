"""Sums of models: ``gaussian + gaussian + linear``."""

from __future__ import annotations

import itertools
import keyword
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from nlsq.models.guessing import Scan, polished, scan, thin
from nlsq.models.model import Model, Parameter, normal
from nlsq.utils.input_error import InputError

_ROUNDS = 3
_POINTS = 400


class Sum(Model):
    """A model that is the sum of others; see `add`.

    Attributes
    ----------
    members : tuple of Model
    labels : tuple of str
        What `components` calls them.
    """

    members: tuple[Model, ...]
    labels: tuple[str, ...]

    def components(self, x: Any, *params: Any) -> dict[str, np.ndarray]:
        p, found = iter(params), {}
        for label, member in zip(self.labels, self.members, strict=True):
            found[label] = np.asarray(member(x, *itertools.islice(p, member.n)))
        shape = np.broadcast_shapes(*(np.shape(part) for part in found.values()))
        return {label: np.broadcast_to(part, shape) for label, part in found.items()}

    def recipe(self) -> dict | None:
        members = [m.recipe() for m in self.members]
        if None in members:
            return None
        if all(list(m) == ["name"] for m in members if m):
            return {"name": self.name}
        return {"sum": members}

    def __reduce_ex__(self, protocol: Any) -> Any:
        return add, (self.members,)


class Prefixed(Model):
    """A model whose parameters have a prefix; see `Model.prefixed`."""

    base: Model
    prefix: str

    def components(self, x: Any, *params: Any) -> dict[str, np.ndarray]:
        parts = self.base.components(x, *params)
        if isinstance(_plain(self), Sum):
            return {self.prefix + label: part for label, part in parts.items()}
        return {self.prefix: np.asarray(self(x, *params))}

    def recipe(self) -> dict | None:
        model = self.base.recipe()
        return model and {"prefix": self.prefix, "model": model}

    def __reduce_ex__(self, protocol: Any) -> Any:
        return prefixed, (self.base, self.prefix)


def prefixed(model: Model, prefix: str) -> Model:
    """`model` with a prefix before its parameters' names."""
    prefix = normal(prefix) if isinstance(prefix, str) else prefix
    if not isinstance(prefix, str) or not f"{prefix}a".isidentifier():
        raise InputError(
            f"The prefix {prefix!r} cannot begin a name.", "Use letters, digits and _, as in p1_."
        )
    parameters = tuple(replace(p, name=prefix + p.name) for p in model.parameters)
    for word in filter(keyword.iskeyword, (p.name for p in parameters)):
        raise InputError(f"The prefix {prefix!r} makes {word!r} of a name.", "Choose another, p1_.")
    formula = model.formula and _renamed(model, parameters, model.variables)
    name = prefix + model.name if model.name.isidentifier() else f"{prefix}({model.name})"
    made = Prefixed(
        function=model.function,
        name=formula if model.name == model.formula else name,
        title=model.title,
        category=model.category,
        formula=formula,
        parameters=parameters,
        start=model.start and _Start(model),
        grid=model.grid,
        description=model.description,
        reference=model.reference,
        rescale=model.rescale,
        variables=model.variables,
    )
    return _holding(made, base=model, prefix=prefix)


def _holding(model: Any, **own: Any) -> Any:
    """The model with what only its kind has (a dataclass of each kind is slow to import)."""
    for name, value in own.items():
        object.__setattr__(model, name, value)
    return model


@dataclass(frozen=True)
class _Start:
    """The start of a model under other names."""

    base: Model

    def __call__(self, model: Model, x: np.ndarray, y: np.ndarray) -> Any:
        return self.base.start(self.base, x, y)


def _plain(model: Model) -> Model:
    """The model without prefixes."""
    while isinstance(model, Prefixed):
        model = model.base
    return model


def add(models: Sequence[Model]) -> Model:
    """The sum of two or more models.

    Members that share a parameter's name get a number after all their names, counted from 1 in
    their order (`amp_1, mu_1, sigma_1, amp_2, ...`); the names of the others stay as they are.

    Raises
    ------
    InputError
        When two parameters have one name all the same, or the members take x in other forms.
    """
    members = tuple(m for model in models for m in _members(model))
    parts, labels = _named(members)
    parameters = tuple(p for part in parts for p in part)
    twice = [name for name, k in Counter(p.name for p in parameters).items() if k > 1]
    if twice:
        raise InputError(
            f"Two parameters of the sum are called {twice[0]!r}.",
            "Give its members prefixes: model.prefixed('p1_').",
        )
    formulas, variables = [m.formula for m in members], _variables(members, parameters)
    guessing = tuple(_plain(m).solvable() for m in members)
    made = Sum(
        function=_total(tuple(m.function for m in members), tuple(m.n for m in members)),
        name=" + ".join(m.name for m in members),
        title=" + ".join(m.title for m in members),
        category="sums",
        formula=None
        if None in formulas
        else " + ".join(
            _summand(_renamed(m, part, variables)) for m, part in zip(members, parts, strict=True)
        ),
        parameters=parameters,
        start=_Guess(guessing) if all(m.start for m in guessing) else None,
        grid=members[0].grid,
        rescale=tuple(map(all, zip(*(m.rescale for m in members), strict=True))),
        variables=variables,
    )
    return _holding(made, members=members, labels=labels)


def _members(model: Model) -> tuple[Model, ...]:
    return model.members if isinstance(model, Sum) else (model,)


def _variables(members: Sequence[Model], parameters: Sequence[Parameter]) -> tuple[str, ...]:
    """Those that all members have; x where single ones are called differently."""
    different = dict.fromkeys(m.variables for m in members)
    if len(different) == 1:
        return members[0].variables
    if any(len(variables) > 1 for variables in different):
        listed = " and ".join(f"({', '.join(v)})" for v in different)
        raise InputError(f"Models of {listed} have no sum.", "Give them the same variables.")
    return ("x_" if "x" in (p.name for p in parameters) else "x",)


def _total(functions: tuple[Callable, ...], sizes: tuple[int, ...]) -> Callable:
    ends = np.cumsum(sizes).tolist()
    cuts = tuple((end - size, end) for size, end in zip(sizes, ends, strict=True))

    def total(x, *p):
        return sum(f(x, *p[a:b]) for f, (a, b) in zip(functions, cuts, strict=True))

    return total


def _named(members) -> tuple[list[tuple[Parameter, ...]], tuple[str, ...]]:
    """The parameters of each member by their names in the sum, and what the members are called."""
    counts = Counter(name for m in members for name in m.names)
    labels = [m.prefix if isinstance(m, Prefixed) and m.prefix else m.name for m in members]
    repeated, seen, parts = Counter(labels), Counter(), []
    number = 0
    for k, m in enumerate(members):
        label = labels[k]
        shares = any(counts[name] > 1 for name in m.names)
        number += shares
        i, all_alike = seen[label], repeated[label]
        seen[label] += 1
        if all_alike > 1:
            labels[k] = f"{label}_{number if shares else i + 1}"
        parts.append(
            tuple(
                replace(
                    p,
                    name=f"{p.name}_{number}" if shares else p.name,
                    # not twice the same
                    typical=(p.between(i / all_alike), p.between((i + 1) / all_alike)),
                )
                for p in m.parameters
            )
        )
    return parts, tuple(labels)


def _renamed(member: Model, part: tuple[Parameter, ...], variables: tuple[str, ...]) -> str:
    """The formula in the sum's names."""
    new = dict(zip(member.variables, variables, strict=True))
    new |= dict(zip(member.names, (p.name for p in part), strict=True))
    # not the e3 of 1e3, nor functions, of which some have the names of parameters
    names = r"(?<![\w.])[^\W\d]\w*(?!\w|\s*\()"
    return re.sub(names, lambda found: new.get(found[0], found[0]), member.formula)


def _summand(formula: str) -> str:
    """In brackets where + would bind more tightly."""
    return f"({formula})" if re.search(r"[<>=!]|\b(if|and|or|not|in)\b", formula) else formula


class _Guess:
    """Guess of a sum: each member in turn beside all others (orthogonal matching pursuit)."""

    def __init__(self, members: tuple[Model, ...]):
        self.members = members

    def __call__(self, model: Model, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        x, y = thin(x, y, _POINTS)

        def misfit(p):
            return np.nan_to_num(((model(x, *p) - y) ** 2).sum(), nan=np.inf)

        best = min(self._ends(x, y), key=misfit)
        if len(set(np.sign(best[_heights(self.members)]))) < 2:
            return _ordered(self.members, best)
        # one wide peak over two, and a valley cut into it? peaks mostly point the same way
        upright = [_Guess(_one_sided(self.members, side))._ends(x, y) for side in (1, -1)]
        ends = [best, *(min(found, key=misfit) for found in upright)]
        best = min((polished(model, x, y, p) for p in ends), key=misfit)
        return _ordered(self.members, best)

    def _ends(self, x: np.ndarray, y: np.ndarray) -> list[np.ndarray]:
        """Where the pursuit ends, for each member to begin with."""
        curved = [k for k, m in enumerate(self.members) if _curved(m)]
        turns = [curved[i:] + curved[:i] for i in range(len(curved))] or [[]]
        kinds = [tuple(self.members[k].name for k in turn) for turn in turns]
        different = dict(zip(kinds, turns, strict=True)).values()  # equal members have one order
        return [self._pursue(turn, x, y) for turn in different]

    def _pursue(self, curved: list[int], x, y) -> np.ndarray:
        """Place the curved members in this order, some times over."""
        parts = {k: np.zeros(m.n) for k, m in enumerate(self.members) if k not in curved}
        for _ in range(_ROUNDS if curved else 1):
            for k in curved:
                parts.pop(k, None)
                parts[k] = self._place(k, parts, x, y)
            parts = self._solve(parts, x, y)
        return np.concatenate([parts[k] for k in range(len(self.members))])

    def _place(self, k: int, others: dict, x, y) -> np.ndarray:
        """Member k, the nonlinear parameters of the others fixed, their linear ones free."""
        member = self.members[k]
        if not isinstance(member.start, Scan):
            others = self._solve(others, x, y)
            rest = [self.members[i].function(x, *p) for i, p in others.items()]
            return member.guess(x, y - sum(rest))
        columns, fixed = [], np.zeros_like(y)
        for i, p in others.items():
            f, linear = self.members[i].function, _linear(self.members[i])
            still = np.where(linear, 0.0, p)
            level = np.broadcast_to(f(x, *still), y.shape)
            fixed = fixed + level
            ones = np.eye(p.size, dtype=bool)[linear]
            columns += [f(x, *np.where(one, 1.0, still)) - level for one in ones]
        beside = np.stack([np.broadcast_to(c, y.shape) for c in columns], -1) if columns else None
        return member.start(member, x, y - fixed, beside)

    def _solve(self, parts: dict, x, y) -> dict:
        """All linear parameters at once."""
        members = [self.members[k] for k in parts]
        if not members:
            return parts
        f = _total(tuple(m.function for m in members), tuple(m.n for m in members))
        linear = np.concatenate([_linear(m) for m in members])
        values = np.concatenate(list(parts.values()))
        axes = [None if free else np.array([v]) for v, free in zip(values, linear, strict=True)]
        low, high = (np.concatenate(b) for b in zip(*(m.bounds() for m in members), strict=True))
        solved = scan(f, axes, x, y, (low, high))
        ends = np.cumsum([m.n for m in members])[:-1]
        return dict(zip(parts, np.split(solved, ends), strict=True))


def _is_peak(member: Model) -> bool:
    return member.category == "peaks" and isinstance(member.start, Scan)


def _heights(members: Sequence[Model]) -> list[int]:
    """Places of the heights of peaks among all parameters."""
    starts = np.cumsum([0, *(m.n for m in members)])
    return [
        int(first + np.argmax(_linear(m)))
        for first, m in zip(starts, members, strict=False) if _is_peak(m)
    ]  # fmt: skip


def _ordered(members: Sequence[Model], p: np.ndarray) -> np.ndarray:
    """Members that are alike by their positions, or what else each is looked for by."""
    parts = np.split(p, np.cumsum([m.n for m in members])[:-1])
    for name in dict.fromkeys(m.name for m in members if _curved(m)):
        alike = [k for k, m in enumerate(members) if m.name == name]
        start = members[alike[0]].start
        if isinstance(start, Scan):
            first = members[alike[0]].names.index(next(iter(start.axes)))
            ordered = sorted((parts[k] for k in alike), key=lambda part: part[first])
            for k, part in zip(alike, ordered, strict=True):
                parts[k] = part
    return np.concatenate(parts)


def _one_sided(members: Sequence[Model], side: int) -> tuple[Model, ...]:
    """The members, with all peaks upwards (1) or downwards (-1)."""
    limit = {"lower": 0.0} if side > 0 else {"upper": 0.0}
    made = []
    for m in members:
        if _is_peak(m):
            parts = list(m.parameters)
            k = int(np.argmax(_linear(m)))
            parts[k] = replace(parts[k], **limit)
            m = replace(m, parameters=tuple(parts))
        made.append(m)
    return tuple(made)


def _curved(member: Model) -> bool:
    """Whether anything but linear parameters has to be found."""
    return not (isinstance(member.start, Scan) and not member.start.axes)


def _linear(member: Model) -> np.ndarray:
    axes = member.start.axes if isinstance(member.start, Scan) else member.names
    return np.array([name not in axes for name in member.names])
