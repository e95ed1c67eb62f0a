"""Sums of models: ``gaussian + gaussian + linear``."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from nlsq.models.guessing import Scan, scan, thin
from nlsq.models.model import Model, Parameter

_ROUNDS = 3
_POINTS = 400


def add(members: Sequence[Model]) -> Model:
    """The sum of two or more models.

    Members that share a parameter's name get a number after all their names, counted from 1 in
    their order (`amp_1, mu_1, sigma_1, amp_2, ...`); the names of the others stay as they are.
    """
    parts = _named(members)
    formulas = [m.formula for m in members]
    return Model(
        function=_total(tuple(m.function for m in members), tuple(m.n for m in members)),
        name=" + ".join(m.name for m in members),
        title=" + ".join(m.title for m in members),
        category="sums",
        formula=None if None in formulas else " + ".join(map(_renamed, members, parts)),
        parameters=tuple(p for part in parts for p in part),
        start=_Sum(tuple(members)) if all(m.start for m in members) else None,
        grid=members[0].grid,
        description="The sum of " + ", ".join(m.title for m in members) + ".",
        rescale=tuple(map(all, zip(*(m.rescale for m in members), strict=True))),
    )


def _total(functions: tuple[Callable, ...], sizes: tuple[int, ...]) -> Callable:
    ends = np.cumsum(sizes).tolist()
    cuts = tuple((end - size, end) for size, end in zip(sizes, ends, strict=True))

    def total(x, *p):
        return sum(f(x, *p[a:b]) for f, (a, b) in zip(functions, cuts, strict=True))

    return total


def _named(members) -> list[tuple[Parameter, ...]]:
    counts = Counter(name for m in members for name in m.names)
    repeated, seen, parts = Counter(m.name for m in members), Counter(), []
    number = 0
    for m in members:
        shares = any(counts[name] > 1 for name in m.names)
        number += shares
        i, k = seen[m.name], repeated[m.name]
        seen[m.name] += 1
        parts.append(
            tuple(
                replace(
                    p,
                    name=f"{p.name}_{number}" if shares else p.name,
                    typical=(p.between(i / k), p.between((i + 1) / k)),  # not twice the same
                )
                for p in m.parameters
            )
        )
    return parts


def _renamed(member: Model, part: tuple[Parameter, ...]) -> str:
    """The formula in the sum's names."""
    new = dict(zip(member.names, (p.name for p in part), strict=True))
    words = re.split(r"([A-Za-z_]\w*)", member.formula)
    return "".join(new.get(word, word) for word in words)


class _Sum:
    """Guess of a sum: each member in turn beside all others (orthogonal matching pursuit)."""

    def __init__(self, members: tuple[Model, ...]):
        self.members = members

    def __call__(self, model: Model, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        x, y = thin(x, y, _POINTS)
        curved = [k for k, m in enumerate(self.members) if _curved(m)]
        turns = [curved[i:] + curved[:i] for i in range(len(curved))] or [[]]
        kinds = [tuple(self.members[k].name for k in turn) for turn in turns]
        different = dict(zip(kinds, turns, strict=True)).values()  # equal members have one order
        ends = [self._pursue(turn, x, y) for turn in different]
        return min(ends, key=lambda p: np.nan_to_num(((model(x, *p) - y) ** 2).sum(), nan=np.inf))

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


def _curved(member: Model) -> bool:
    """Whether anything but linear parameters has to be found."""
    return not (isinstance(member.start, Scan) and not member.start.axes)


def _linear(member: Model) -> np.ndarray:
    axes = member.start.axes if isinstance(member.start, Scan) else member.names
    return np.array([name not in axes for name in member.names])
