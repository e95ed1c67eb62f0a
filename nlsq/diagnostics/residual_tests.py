"""Tests of whether the residuals of a fit are the noise that least squares takes them for.

They are asked in an order, so that one fault is said once: outliers and a changing spread are taken
out before a pattern is looked for, and tails are judged where nothing else was found.
"""

from __future__ import annotations

import dataclasses
import math

import numpy as np

from nlsq.diagnostics import patterns, tail_probabilities
from nlsq.diagnostics.evidence import Evidence
from nlsq.diagnostics.patterns import Pattern
from nlsq.diagnostics.residual_space import Axis, ResidualSpace

_KINDS = 6  # of faults, which share the rate of false alarms
_EXACT = 1e-10  # of the largest |y|: residuals of this size are rounding
_CLIP = 4.0  # standard deviations; what is beyond would drown a pattern
MOST_OUTLIERS = 20  # and no more than a tenth of the points
_FEWEST_FOR_SPREAD = 8
_NONE = 1e-12  # of the variance: a third of the points without noise
_IN_A_PART, _MOST_PARTS = 15, 8  # in which the noise is taken as even
_FEWEST_FOR_TAILS = 20
_FLOOR = 1e-6  # of what the fit leaves of a point, which then cannot be judged
_COUNTING = 0.5  # of the differences between neighbours, which share points


@dataclasses.dataclass(frozen=True)
class Spread:
    """Noise that grows, or shrinks, along something: 'x', 'the fitted values', ..."""

    along: str
    ratio: float  # of the noise, last third to first
    p: float
    levels: np.ndarray  # (k,) mean sizes in k equal parts

    def weights(self, axis: Axis) -> np.ndarray:
        """Weights that make the noise even, (m,)."""
        rank = _ranks(axis.height if self.along == "height" else _positions(axis))
        middles = (np.arange(self.levels.size) + 0.5) * (rank.size / self.levels.size)
        return np.exp(-np.interp(rank, middles, np.log(self.levels)))


@dataclasses.dataclass
class Residuals:
    """What the tests saw; None where they saw nothing.

    Attributes
    ----------
    size, noise : float
        Root mean square residual over the largest |y|, and over the standard deviation of y.
    robust, weighted : bool
        Whether a loss gave less weight to large residuals, and whether sigma differs by point.
    outlying : ndarray of int (k,)
        Points that lie too far out, and `distances` (k,) in standard deviations of the others.
    chi_squared, kurtosis, skewness : (value, p)
        Reduced chi-squared; kurtosis beyond that of a normal distribution.
    """

    space: ResidualSpace
    axis: Axis
    size: float
    noise: float
    robust: bool
    weighted: bool = False
    outlying: np.ndarray | None = None
    distances: np.ndarray | None = None
    spread: Spread | None = None
    pattern: Pattern | None = None
    chi_squared: tuple[float, float] | None = None
    kurtosis: tuple[float, float] | None = None
    skewness: tuple[float, float] | None = None

    @property
    def exact(self) -> bool:
        """Whether they are rounding."""
        return self.size < _EXACT


def examine(evidence: Evidence, false_alarms: float) -> Residuals:
    """Ask all tests, which together call this share of good fits."""
    space, axis = evidence.space, Axis.of(evidence)
    seen = Residuals(space, axis, _size(evidence), _noise(evidence), not evidence.plain)
    if seen.exact:
        return seen
    seen.weighted = evidence.sigma is not None and bool(np.ptp(evidence.sigma) > 0)
    level = false_alarms / _KINDS
    seen.chi_squared = None if seen.robust else _chi_squared(evidence, space.rss, level)
    outlying = outliers(space, axis, level)
    clean, kept, far = space.refitted(~outlying), axis.only(~outlying), space
    seen.spread = spread = _spread(clean, kept, level)
    if spread is not None:
        weights = spread.weights(axis)
        far = space.refitted(None, weights)
        outlying = outliers(far, axis, level)
        clean, kept = space.refitted(~outlying, weights), axis.only(~outlying)
    seen.outlying = np.flatnonzero(outlying)
    seen.distances = np.abs(far.equalised[outlying]) / clean.error
    seen.pattern = patterns.along(_clipped(clean), kept, level)
    if seen.pattern is not None and spread is not None:
        # A pattern alone changes the size of residuals, but hardly that of their differences.
        differences = _differences(space.refitted(~outlying), kept)
        seen.spread = _spread(differences, kept, level, _COUNTING)
    if seen.pattern is None and seen.spread is None and not outlying.any():
        seen.kurtosis, seen.skewness = _shape(clean.equalised, level)
    return seen


def examine_sums(evidence: Evidence, false_alarms: float) -> Residuals:
    """What one pass over residuals tells that are not kept: shape, neighbours, their sum."""
    sums, m, level = evidence.sums, evidence.n_points, false_alarms / _KINDS
    assert sums is not None
    noise = math.sqrt(sums["chi_squared"] / sums["total"]) if sums["total"] > 0 else math.inf
    places = np.zeros(0)
    axis = Axis("the data", places, places.astype(int), None)
    seen = Residuals(ResidualSpace(places, places[:, None]), axis, noise, noise, not evidence.plain)
    seen.outlying = axis.order
    if seen.exact:
        return seen
    seen.chi_squared = (
        _chi_squared(evidence, sums["chi_squared"], level) if evidence.plain else None
    )
    pairs = int(sums.get("pairs", 0))
    if m < _FEWEST_FOR_TAILS or pairs < _FEWEST_FOR_TAILS:
        return seen
    expected = 0.5 * pairs
    runs = (sums["changes"] - expected) / math.sqrt(0.5 * expected)
    p = tail_probabilities.normal(sums["score"]), tail_probabilities.normal(min(runs, 0.0))
    if 2 * min(p) < level:
        test = "neighbours" if p[0] <= p[1] else "runs"
        c, score = sums["correlation"], sums["score"]
        share = max(abs(c), abs(2 * sums["changes"] / pairs - 1) ** 2)
        changes = int(sums["changes"])
        seen.pattern = Pattern(2 * min(p), share, 0.0, test, c, score, score, changes, expected)
    else:
        seen.kurtosis, seen.skewness = _beyond(sums["kurtosis"] - 3, sums["skewness"], m, level)
    return seen


# -- sizes -----------------------------------------------------------------------------------------


def is_exact(evidence: Evidence) -> bool:
    """Whether the residuals are rounding."""
    return _size(evidence) < _EXACT


def _size(evidence: Evidence) -> float:
    """Root mean square residual over the largest |y|."""
    if evidence.residuals is not None and evidence.space.rss == 0:
        return 0.0
    if evidence.y is None or evidence.fitted is None:
        return math.inf
    plain = evidence.fitted - evidence.y
    largest = float(np.abs(evidence.y).max(initial=0.0))
    return math.sqrt(float(plain @ plain) / plain.size) / largest if largest else math.inf


def _noise(evidence: Evidence) -> float:
    """Root mean square residual over the deviation of y, both with its weights; NaN unknown."""
    if evidence.y is None or evidence.fitted is None:
        return math.nan
    y, plain = evidence.y, evidence.fitted - evidence.y
    w = np.ones(y.size) if evidence.sigma is None else 1.0 / evidence.sigma
    about, plain = w * (y - (w**2 @ y) / (w @ w)), w * plain
    total = float(about @ about)
    return math.sqrt(float(plain @ plain) / total) if total > 0 else math.inf


def _chi_squared(evidence: Evidence, rss: float, level: float) -> tuple[float, float] | None:
    """The reduced chi-squared where sigma is absolute and it is not 1."""
    if evidence.noise != 1.0:
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
    from scipy.special import stdtr

    m, dof = space.r.size, space.dof
    out = np.zeros(m, dtype=bool)
    most = min(MOST_OUTLIERS, m // 10 or 1, dof - 2)
    if most < 1:
        return out

    def chance(squares: np.ndarray) -> np.ndarray:
        removed = np.arange(1, most + 1)
        rest = np.maximum(space.rss - np.cumsum(squares), 1e-12 * space.rss)
        t = np.sqrt(squares * (dof - removed) / rest)
        return 2.0 * (m - removed + 1) * stdtr(dof - removed, -t)

    # As if no point pulled at another, and no tail were longer than normal: most have no outlier.
    squares = np.sort(space.equalised**2)[-most:]
    rest = max(space.rss - float(squares.sum()), 1e-12 * space.rss) / (dof - most)
    if m * tail_probabilities.normal(math.sqrt(squares[-1] / rest)) > level:
        return out
    farthest, squares = _left_out(space, most)
    count = int(np.max(np.flatnonzero(chance(squares) < level) + 1, initial=0))
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
    side = np.where(chosen, np.sign(r), 0.0)[order]
    three = (side[:-2] == side[1:-1]) & (side[1:-1] == side[2:]) & (side[2:] != 0)
    inside = np.zeros(r.size, dtype=bool)
    for shift in range(3):
        inside[order[shift : r.size - 2 + shift][three]] = True
    return inside


def _clipped(space: ResidualSpace) -> ResidualSpace:
    sizes, middle = np.abs(space.r), space.r.size // 2
    limit = _CLIP * 1.4826 * float(np.partition(sizes, middle)[middle])
    if limit == 0 or sizes.max() <= limit:
        return space
    return ResidualSpace(np.clip(space.r, -limit, limit), space.Q)


def _shape(
    values: np.ndarray, level: float
) -> tuple[tuple[float, float] | None, tuple[float, float] | None]:
    """Excess kurtosis and skewness with their p, where they are beyond chance."""
    n = values.size
    if n < _FEWEST_FOR_TAILS:
        return None, None
    d = values - values.mean()
    d /= np.abs(d).max() or 1.0  # of y by 1e-100 the fourth powers are no numbers
    squares = d * d
    variance = float(squares.mean())
    excess = float(squares @ squares) / (n * variance**2) - 3.0
    skewness = float(squares @ d) / (n * variance**1.5)
    return _beyond(excess, skewness, n, level)


def _beyond(
    excess: float, skewness: float, n: int, level: float
) -> tuple[tuple[float, float] | None, tuple[float, float] | None]:
    p_tails = tail_probabilities.normal(max(tail_probabilities.kurtosis_score(excess, n), 0.0))
    p_skew = tail_probabilities.normal(tail_probabilities.skewness_score(skewness, n))
    if p_tails < level:  # and long tails make the skewness a matter of a few points
        return (excess, p_tails), None
    return None, (skewness, p_skew) if p_skew < level else None


# -- spread ----------------------------------------------------------------------------------------


def _ranks(values: np.ndarray) -> np.ndarray:
    ranks = np.empty(values.size)
    ranks[np.argsort(values, kind="stable")] = np.arange(values.size)
    return ranks


def _positions(axis: Axis) -> np.ndarray:
    positions = np.empty(axis.order.size)
    positions[axis.order] = np.arange(axis.order.size)
    return positions


def _differences(space: ResidualSpace, axis: Axis) -> ResidualSpace:
    """Each residual less the mean of its neighbours along the axis."""
    r = space.r[axis.order]
    out = np.empty(r.size)
    out[axis.order[1:-1]] = (r[1:-1] - 0.5 * (r[2:] + r[:-2])) / math.sqrt(1.5)
    out[axis.order[[0, -1]]] = np.array([r[0] - r[1], r[-1] - r[-2]]) / math.sqrt(2.0)
    return ResidualSpace(out, np.zeros((r.size, 0)))


def _spread(space: ResidualSpace, axis: Axis, level: float, counting: float = 1.0) -> Spread | None:
    """Whether the sizes of the residuals follow x or the fitted values (Spearman's correlation).

    Ranks make it hold for noise of any distribution, where Breusch and Pagan's takes normal noise.
    """
    sizes = np.abs(space.equalised)
    if sizes.size < _FEWEST_FOR_SPREAD:
        return None
    ranks, best = _ranks(sizes), None
    for name, values in ((axis.name, _positions(axis)), ("height", axis.height)):
        if values is None:
            continue
        along = _ranks(values) if name == "height" else values
        p = 2 * _spearman(ranks, along, counting)
        if p < level and (best is None or p < best.p):
            third, by_rank = sizes.size // 3, sizes[np.argsort(along)]
            first, last = by_rank[:third] / space.error, by_rank[-third:] / space.error
            ratio = math.sqrt(max(float(last @ last), _NONE) / max(float(first @ first), _NONE))
            parts = np.array_split(by_rank, int(np.clip(sizes.size // _IN_A_PART, 3, _MOST_PARTS)))
            levels = np.array([part.mean() for part in parts])
            best = Spread(name, ratio, p, np.maximum(levels, 1e-9 * levels.max()))
    return best


def _spearman(ranks: np.ndarray, other: np.ndarray, counting: float) -> float:
    """p of the correlation of two rankings, of which so many places count."""
    from scipy.special import stdtr

    n = ranks.size
    middle = 0.5 * (n - 1)
    c = float((ranks - middle) @ (other - middle)) / (n * (n * n - 1.0) / 12.0)
    dof = counting * n - 2
    t = c * math.sqrt(dof / max(1.0 - c * c, 1e-12))
    return 2.0 * float(stdtr(dof, -abs(t)))
