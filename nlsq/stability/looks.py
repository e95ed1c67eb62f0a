"""What is looked at before a fit, what it shows, and the records of what was found and done."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from nlsq.stability.numbers import (
    CONDITION,
    detect_collinearity,
    detect_parameter_scale_mismatch,
    estimate_condition_number,
)

SCALE = 1e6  # sizes between its inverse and itself are no matter
ORDINARY = 1e3  # the same for a start of 1
SPREAD = 1e6  # of deviations, from which on few points decide alone
FAR = 1e3  # times its span, from which on x is far from 0
SQUARE = 1e150  # beyond it, and below its inverse, squares are no numbers
NEAR = 0.1  # how far from the start an edge is looked for, relative
_FEW = 30  # parameters, around which edges are looked for
#: A fault may explain a bad end; a doubt lets 'auto' compare; a note is to be known.
LEVELS = ("fault", "doubt", "note")
_MARKS = {"fault": "!", "doubt": "?", "note": "-"}


@dataclasses.dataclass(frozen=True, slots=True)
class Hazard:
    """What endangers a fit; the kinds, and what their numbers are, say `nlsq.stability.guard`.

    text: the sentence for a reader. parameters: whom it is about; empty where it is the data.
    """

    kind: str
    text: str
    number: float
    level: str = "note"
    parameters: tuple[str, ...] = ()

    def describe(self) -> str:
        """The sentence, which a stored result keeps too."""
        return self.text


@dataclasses.dataclass(frozen=True, slots=True)
class Action:
    """One thing that was done, because of a `reason`.

    number: of 'start' the share of the cost that is left; of 'sigma' what was added to the
    variances; of a unit that unit.
    """

    kind: str
    text: str
    reason: str
    number: float

    describe = Hazard.describe


@dataclasses.dataclass(frozen=True, slots=True)
class StabilityReport:
    """The findings and actions of one fit, of which `n_points` were looked at.

    Examples
    --------
    >>> report = StabilityReport("check", (Hazard("y scale", "y runs to 1e+07.", 1e7),), (), 9)
    >>> print(report)
    stability='check', 9 points looked at: 1 finding, 0 actions
      - y scale: y runs to 1e+07.
    """

    mode: str
    findings: tuple[Hazard, ...]
    actions: tuple[Action, ...]
    n_points: int

    @property
    def ok(self) -> bool:
        """Whether there is nothing but notes."""
        return all(finding.level == "note" for finding in self.findings)

    def of(self, kind: str) -> Hazard | None:
        """The first finding of a kind; None where there is none."""
        return next((f for f in self.findings if f.kind == kind), None)

    def summary(self) -> str:
        """A line for each finding and each action."""
        some, done = (f"{len(a)} %s{'s' * (len(a) != 1)}" for a in (self.findings, self.actions))
        lines = [
            f"stability={self.mode!r}, {self.n_points} points looked at: {some % 'finding'}, "
            f"{done % 'action'}",
            *(f"  {_MARKS[f.level]} {f.kind}: {f.text}" for f in self.findings),
            *(f"  > {a.kind}: {a.text} Reason: {a.reason}" for a in self.actions),
        ]
        return "\n".join(lines)

    describe = __str__ = __repr__ = summary


class Look(NamedTuple):
    """What is looked at before a fit."""

    x: np.ndarray | None  # (m,) or (k, m); None where it is no array of numbers
    y: np.ndarray  # (m,)
    p0: np.ndarray  # (n,)
    lb: np.ndarray
    ub: np.ndarray
    names: Sequence[str]
    free: Sequence  # (n,), true for parameters that are fitted
    f0: np.ndarray  # (m,), the model at p0, divided by sigma
    JT: np.ndarray | None  # (n, m), its derivatives, likewise; None where nobody computed them
    value: Callable  # value(p) -> (m,), NaN where the model has none
    weights: np.ndarray | None = None  # (m,), 1 / sigma
    factor: np.ndarray | None = None  # (m, m), lower Cholesky factor of the covariance of y


def of_data(x: np.ndarray | None, y: np.ndarray, p: list[float]) -> Iterator[Hazard]:
    axes = () if x is None else np.atleast_2d(x)
    largest = []
    for i, axis in enumerate(axes):
        name = "x" if len(axes) == 1 else f"x[{i}]"
        low, high = np.fmin.reduce(axis).item(), np.fmax.reduce(axis).item()
        size, span = max(-low, high), high - low
        largest.append(size)
        if _is_odd(size):
            text = f"{name} runs to {size:.3g}: parameters of its unit are of that size."
            yield Hazard("x scale", text, size)
        if 0 < FAR * span < size:
            text = f"{name} is far from 0, {size:.3g} for a span of {span:.3g}: subtract a place."
            yield Hazard("x offset", text, estimate_condition_number(axis))
    for i, j, r in detect_collinearity(x)[1] if len(axes) > 1 else ():
        text = f"x[{i}] and x[{j}] have the correlation {r:.6g}: their effects are alike."
        yield Hazard("collinear x", text, r)
    if len(axes):
        points = np.array([*axes, y])
        same = np.diff(points[:, np.lexsort(points)]) == 0
        if count := int(same.all(axis=0).sum()):
            text = f"{count} points are there twice, in x and y: they count twice."
            yield Hazard("duplicated points", text, count)
    size = float(np.fmax.reduce(np.abs(y)))
    if _is_odd(size):
        lost = not 1 / SQUARE < size < SQUARE
        more = ", whose square is no number: change its unit." if lost else "."
        yield Hazard("y scale", f"y runs to {size:.3g}{more}", size, "fault" if lost else "note")
    yield from of_sizes(p)
    yield from _of_units(largest, p)


def _is_odd(size: float) -> bool:
    return size > SCALE or 0 < size < 1 / SCALE


def of_sizes(p: Sequence[float]) -> Iterator[Hazard]:
    mismatch, ratio = detect_parameter_scale_mismatch(p)
    if mismatch:
        text = f"the largest start is {ratio:.2g} times the smallest; the fit scales them itself."
        yield Hazard("parameter scales", text, ratio)


def _of_units(largest: list[float], p: list[float]) -> Iterator[Hazard]:
    """Starts among which none is of the size of x, or of 1 / x."""

    def is_ordinary(size: float) -> bool:
        return 1 / ORDINARY <= size <= ORDINARY

    sizes = [abs(value) for value in p if value]
    for size in largest:
        if not sizes or is_ordinary(size) or not 0 < size < math.inf:
            continue
        if not any(is_ordinary(s / size) or is_ordinary(s * size) for s in sizes):
            text = f"x runs to {size:.3g}, and no start is near that size, or near 1 over it."
            yield Hazard("units", text, size, "doubt")


def of_sigma(look: Look) -> Iterator[Hazard]:
    if look.factor is not None:
        diagonal = np.abs(np.diagonal(look.factor))
        ratio = float(diagonal.max() / diagonal.min()) ** 2
        if ratio > CONDITION:
            text = f"the covariance of y is nearly singular: its condition is {ratio:.2g} at least."
            yield Hazard("sigma", text, ratio)
    elif look.weights is not None:
        acting = look.weights[look.weights > 0]
        ratio = float(acting.max() / acting.min())
        if ratio > SPREAD:
            text = f"the largest sigma is {ratio:.2g} times the smallest: few points decide alone."
            yield Hazard("sigma", text, ratio)


def not_finite(look: Look, JT: np.ndarray) -> Iterator[Hazard]:
    """The finding of a start at which the model or a derivative is no number to be squared."""
    bad, of_J = ~(np.abs(look.f0) < SQUARE), ~(np.abs(JT) < SQUARE).all(axis=0)
    if count := int((bad | of_J).sum()):
        what = "the model" if bad.any() else "a derivative of the model"
        start = ", ".join(f"{n}={p:g}" for n, p in zip(look.names, look.p0, strict=True))
        text = f"{what} is not finite, or too large, at {count} of {bad.size} points with {start}."
        yield Hazard("start", text, count, "fault")


def of_edges(look: Look, places: Sequence[int]) -> Iterator[Hazard]:
    """What is not finite near the start; of few parameters, since each is moved both ways."""
    for j in places if len(places) <= _FEW else ():
        for sign in (1, -1):
            q = look.p0.copy()
            q[j] = min(max(q[j] * (1 + sign * NEAR), look.lb[j]), look.ub[j])
            if count := int((~np.isfinite(look.value(q))).sum()):
                name = look.names[j]
                text = f"the model is not finite at {count} points with {name}={q[j]:g}: bound it."
                yield Hazard("edge", text, count, "note", (name,))
