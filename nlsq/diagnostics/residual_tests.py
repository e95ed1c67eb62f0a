"""Tests of whether the residuals of a fit are the noise that least squares takes them for.

They are asked in an order, so that one fault is said once: outliers and a changing spread are taken
out before a pattern is looked for, and tails are judged where nothing else was found.
"""

from __future__ import annotations

import dataclasses
import math

import numpy as np

from nlsq.diagnostics import patterns
from nlsq.diagnostics.evidence import Evidence
from nlsq.diagnostics.patterns import Pattern, normal
from nlsq.diagnostics.residual_space import Axis, ResidualSpace

_KINDS = 6  # of faults, which share the rate of false alarms
_CLIP = 4.0  # standard deviations; what is beyond would drown a pattern
MOST_OUTLIERS = 20  # and no more than a tenth of the points
_FEWEST_FOR_SPREAD = 8
_NONE = 1e-12  # of the variance: a third of the points without noise
_IN_A_PART, _MOST_PARTS = 15, 8  # in which the noise is taken as even
_FEWEST_FOR_TAILS = 20
_FLOOR = 1e-6  # of what the fit leaves of a point, which then cannot be judged

Tail = tuple[float, float] | None  # a statistic and its p, where it is beyond chance


@dataclasses.dataclass(frozen=True)
class Spread:
    """Noise that grows, or shrinks, along something."""

    along: str  # 'x', 'the data', ... or 'height': the size of the fitted values
    ratio: float  # of the noise, last third to first
    p: float
    levels: np.ndarray  # (k,) mean sizes in k equal parts

    def weights(self, axis: Axis) -> np.ndarray:
        """Weights that make the noise even, (m,)."""
        rank = np.argsort(_order(axis, self.along))
        middles = (np.arange(self.levels.size) + 0.5) * (rank.size / self.levels.size)
        return np.exp(-np.interp(rank, middles, np.log(self.levels)))


@dataclasses.dataclass
class Residuals:
    """What the tests saw; None where they saw nothing."""

    chi_squared: Tail = None  # reduced, where sigma is absolute
    outlying: np.ndarray | None = None  # (k,) of int: points that lie too far out
    distances: np.ndarray | None = None  # (k,) in standard deviations of the others
    spread: Spread | None = None
    pattern: Pattern | None = None
    kurtosis: Tail = None  # beyond that of a normal distribution
    skewness: Tail = None


def examine(evidence: Evidence, false_alarms: float) -> Residuals:
    """Ask all tests, which together call this share of good fits."""
    level, space, axis = false_alarms / _KINDS, evidence.space, evidence.axis
    outlying = outliers(space, axis, level)
    clean, kept, far = space.refitted(~outlying), axis.only(~outlying), space
    spread = _spread(clean, kept, level)
    if spread is not None:
        weights = spread.weights(axis)
        far = space.refitted(np.ones_like(outlying), weights)
        outlying = outliers(far, axis, level)
        clean, kept = space.refitted(~outlying, weights), axis.only(~outlying)
    pattern = patterns.along(_clipped(clean), kept, level)
    if pattern is not None:  # which alone changes the size of residuals along the axis
        spread = None
    seen = Residuals(_chi_squared(evidence, space.rss, level), spread=spread, pattern=pattern)
    if outlying.any():
        seen.outlying = np.flatnonzero(outlying)
        seen.distances = np.abs(far.equalised[outlying]) / clean.error
    elif pattern is None and spread is None and clean.r.size >= _FEWEST_FOR_TAILS:
        m = clean.r.size
        d = clean.equalised - clean.equalised.sum() / m
        d /= np.abs(d).max() or 1.0  # of y by 1e-100 the fourth powers are no numbers
        squares, variance = d * d, float(d @ d) / m
        excess = float(squares @ squares) / (m * variance**2) - 3.0
        skewness = float(squares @ d) / (m * variance**1.5)
        seen.kurtosis, seen.skewness = _tails(excess, skewness, m, level)
    return seen


def examine_sums(evidence: Evidence, false_alarms: float) -> Residuals:
    """What one pass over residuals tells that are not kept: shape, neighbours, their sum."""
    sums, m, level = evidence.sums, evidence.n_points, false_alarms / _KINDS
    seen = Residuals(_chi_squared(evidence, sums["chi_squared"], level))
    pairs = int(sums.get("pairs", 0))
    if min(m, pairs) < _FEWEST_FOR_TAILS:
        return seen
    c, score, changes, expected = sums["correlation"], sums["score"], sums["changes"], 0.5 * pairs
    runs = (changes - expected) / math.sqrt(0.5 * expected)
    p = {"neighbours": normal(score), "runs": normal(min(runs, 0.0))}
    test = min(p, key=p.__getitem__)
    if 2 * p[test] < level:
        share = max(abs(c), (changes / expected - 1) ** 2)
        seen.pattern = Pattern(
            2 * p[test], share, 0.0, test, c, score, score, int(changes), expected
        )
    else:
        seen.kurtosis, seen.skewness = _tails(sums["kurtosis"] - 3, sums["skewness"], m, level)
    return seen


def _chi_squared(evidence: Evidence, rss: float, level: float) -> Tail:
    """The reduced chi-squared where sigma is absolute and it is not 1."""
    if evidence.noise != 1.0 or not evidence.plain:
        return None
    from scipy.special import chdtr, chdtrc

    dof = evidence.dof
    p = 2.0 * float(min(chdtr(dof, rss), chdtrc(dof, rss)))
    return (rss / dof, p) if p < level else None


# -- single points, and how all are distributed ----------------------------------------------------


def outliers(space: ResidualSpace, axis: Axis, level: float) -> np.ndarray:
    """Which points lie farther out than noise reaches, (m,) bool.

    Rosner's test (1983): points are left out one after the other, the farthest first. Three or more
    neighbours on one side are no outliers: something is missing from the model.
    """
    m, dof = space.r.size, space.dof
    out = np.zeros(m, dtype=bool)
    most = min(MOST_OUTLIERS, m // 10 or 1, dof - 2)
    if most < 1:
        return out
    # As if no point pulled at another, and no tail were longer than normal: most have no outlier.
    squares = np.sort(space.equalised**2)[-most:]
    rest = max(space.rss - float(squares.sum()), 1e-12 * space.rss) / (dof - most)
    if m * normal(math.sqrt(squares[-1] / rest)) > level:
        return out
    from scipy.special import stdtr

    farthest, squares = _left_out(space, most)
    left = dof - np.arange(1, most + 1)
    t = np.sqrt(squares * left / np.maximum(space.rss - np.cumsum(squares), 1e-12 * space.rss))
    chance = 2.0 * (left + m - dof + 1) * stdtr(left, -t)
    count = int(np.max(np.flatnonzero(chance < level) + 1, initial=0))
    out[farthest[:count]] = True
    return out & ~_in_a_row(out, space.r, axis.order) if count > 2 else out


def _left_out(space: ResidualSpace, most: int) -> tuple[np.ndarray, np.ndarray]:
    """The farthest points, each without the former, and the sum of squares each takes away."""
    r, left = space.r.copy(), 1.0 - space.leverage
    farthest, squares = np.zeros(most, dtype=int), np.zeros(most)
    columns: list[np.ndarray] = []  # of the residuals' covariance, each without the former points
    for j in range(most):
        gain = np.where(left > _FLOOR, r * r / np.maximum(left, _FLOOR), 0.0)
        farthest[j] = i = int(gain.argmax())
        squares[j] = gain[i]
        column = -(space.Q @ space.Q[i])
        column[i] += 1.0
        for k, earlier in zip(farthest, columns, strict=False):
            column -= earlier * (earlier[i] / earlier[k])
        r, left = r - column * (r[i] / column[i]), left - column**2 / column[i]
        left[farthest[: j + 1]] = 0.0
        columns.append(column)
    return farthest, squares


def _in_a_row(chosen: np.ndarray, r: np.ndarray, order: np.ndarray) -> np.ndarray:
    side, inside = np.where(chosen, np.sign(r), 0.0)[order], np.zeros(r.size, dtype=bool)
    three = (side[:-2] == side[1:-1]) & (side[1:-1] == side[2:]) & (side[2:] != 0)
    for shift in range(3):
        inside[order[shift : r.size - 2 + shift][three]] = True
    return inside


def _clipped(space: ResidualSpace) -> ResidualSpace:
    sizes, middle = np.abs(space.r), space.r.size // 2
    limit = _CLIP * 1.4826 * float(np.partition(sizes, middle)[middle])
    if limit == 0 or sizes.max() <= limit:
        return space
    return ResidualSpace(np.clip(space.r, -limit, limit), space.Q)


def _tails(excess: float, skewness: float, n: int, level: float) -> tuple[Tail, Tail]:
    """Excess kurtosis or skewness: long tails make the skewness a matter of a few points."""
    p_tails, p_skew = normal(max(_kurtosis(excess, n), 0.0)), normal(_skewness(skewness, n))
    if p_tails < level:
        return (excess, p_tails), None
    return None, (skewness, p_skew) if p_skew < level else None


def _kurtosis(excess: float, n: int) -> float:
    """The excess kurtosis of n >= 20 values as a normal score (Anscombe and Glynn 1983)."""
    mean = -6.0 / (n + 1)
    variance = 24.0 * n * (n - 2) * (n - 3) / ((n + 1) ** 2 * (n + 3) * (n + 5))
    x = (excess - mean) / math.sqrt(variance)
    skew = (
        6.0 * (n * n - 5 * n + 2) / ((n + 7) * (n + 9))
        * math.sqrt(6.0 * (n + 3) * (n + 5) / (n * (n - 2) * (n - 3)))
    )  # fmt: skip
    a = 6.0 + 8.0 / skew * (2.0 / skew + math.sqrt(1 + 4.0 / skew**2))
    root = (1 - 2.0 / a) / max(1 + x * math.sqrt(2.0 / (a - 4)), 1e-9)
    return (1 - 2.0 / (9 * a) - root ** (1 / 3)) / math.sqrt(2.0 / (9 * a))


def _skewness(skewness: float, n: int) -> float:
    """The skewness of n >= 8 values as a normal score (D'Agostino 1970)."""
    y = skewness * math.sqrt((n + 1) * (n + 3) / (6.0 * (n - 2)))
    b = 3.0 * (n * n + 27 * n - 70) * (n + 1) * (n + 3)
    b /= (n - 2.0) * (n + 5) * (n + 7) * (n + 9)
    w = math.sqrt(2 * (b - 1)) - 1
    return math.asinh(y / math.sqrt(2 / (w - 1))) / math.sqrt(0.5 * math.log(w))


# -- spread ----------------------------------------------------------------------------------------


def _order(axis: Axis, along: str) -> np.ndarray:
    """The points along the axis, or by the sizes of their fitted values."""
    return np.argsort(axis.height, kind="stable") if along == "height" else axis.order


def _spread(space: ResidualSpace, axis: Axis, level: float) -> Spread | None:
    """Whether the sizes of the residuals follow x or the fitted values (Spearman's correlation).

    Ranks make it hold for noise of any distribution, where Breusch and Pagan's takes normal noise.
    """
    sizes, n, found = np.abs(space.equalised), space.r.size, []
    if n < _FEWEST_FOR_SPREAD:
        return None
    from scipy.special import stdtr

    places = np.arange(n) - 0.5 * (n - 1)
    ranks, square = places[np.argsort(np.argsort(sizes, kind="stable"))], n * (n * n - 1.0) / 12.0
    for name in (axis.name, "height") if axis.height is not None else (axis.name,):
        order = _order(axis, name)
        c = float(ranks[order] @ places) / square
        t = abs(c) * math.sqrt((n - 2) / max(1.0 - c * c, 1e-12))
        p = 4.0 * float(stdtr(n - 2, -t))  # two-sided, along two axes
        if p < level:
            third, by_rank = n // 3, sizes[order]
            first, last = by_rank[:third] / space.error, by_rank[-third:] / space.error
            ratio = math.sqrt(max(float(last @ last), _NONE) / max(float(first @ first), _NONE))
            parts = np.array_split(by_rank, int(np.clip(n // _IN_A_PART, 3, _MOST_PARTS)))
            levels = np.array([part.mean() for part in parts])
            found.append(Spread(name, ratio, p, np.maximum(levels, 1e-9 * levels.max())))
    return min(found, key=lambda spread: spread.p, default=None)
