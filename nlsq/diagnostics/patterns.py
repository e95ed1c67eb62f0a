"""Whether residuals, put in an order, still hold a pattern.

Tests that see different things: an F test of added slow waves, the correlation of neighbours
(Durbin-Watson; Ljung-Box over more lags), and the number of runs of one sign. Their means and
variances are those of a fit's residuals, not of independent noise (Durbin and Watson 1950), so that
ten points and three parameters are judged as rightly as ten thousand.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Callable

import numpy as np

from nlsq.diagnostics.residual_space import Axis, ResidualSpace

_FEWEST = 6  # distinct places along the order
_MOST_WAVES = 10
_MOST_LAGS = 6
_MANY = 20_000  # places
_FITTED_ALREADY = 0.02  # a wave of which less than this share is left says nothing


@dataclasses.dataclass(frozen=True)
class Pattern:
    """What is left along an order."""

    p: float  # how often noise alone shows as much, of all tests together
    share: float  # of the sum of squares, that goes on from neighbour to neighbour
    waves: float  # of the sum of squares, that is slow waves
    test: str  # which saw most of it: 'waves', 'neighbours', 'lags' or 'runs'
    correlation: float = 0.0  # of neighbours, without what the fit itself brings in
    score: float = 0.0  # the same as a normal score
    remaining: float = 0.0  # that score when slow waves are taken off
    runs: int = 0  # of one sign
    expected_runs: float = 0.0


def normal(z: float) -> float:
    """P(|Z| >= |z|) of the normal distribution.

    >>> round(normal(1.959964), 6)
    0.05
    """
    return math.erfc(abs(z) / math.sqrt(2))


def along(space: ResidualSpace, axis: Axis, level: float) -> Pattern | None:
    """The pattern of residuals along an axis; None where chance shows as much at this level.

    Residuals at one place count by their mean, since nothing orders them among themselves. Along
    the fitted values neighbours have nothing in common: there only slow waves are looked for.
    """
    order, dof, rss = axis.order, space.dof, space.rss
    r, Q, counts = _by_place(space.r[order], space.Q[order], axis.places[order])
    if r.size < _FEWEST or dof < 4 or rss == 0:
        return None
    span, waves, p_waves = _waves(r, Q, counts, dof, rss)
    if axis.name == "the fitted values":
        return Pattern(p_waves, waves, waves, "waves") if p_waves < level else None
    if r.size > _MANY:
        Q = Q[:, :0]  # what few fitted directions do to neighbours is lost in the noise
    scores, beyond = _lags(r, Q, min(_MOST_LAGS, r.size // 4), dof, rss)
    runs, expected, score = _runs(r, Q)
    found = {
        "waves": p_waves, "neighbours": normal(scores[0]),
        "lags": _chi_squared(float(scores @ scores), scores.size), "runs": normal(min(score, 0.0)),
    }  # fmt: skip
    test = min(found, key=found.__getitem__)
    p = len(found) * found[test]
    if p >= level:
        return None
    C, remaining = span(), 0.0
    parts, k = r @ C, C.shape[1]
    rest = rss - float(parts @ parts)
    if rest > 1e-9 * rss and dof - k >= 4:
        remaining = float(_lags(r - C @ parts, np.hstack((Q, C)), 1, dof - k, rest)[0][0])
    c = min(max(float(beyond[0]), -1.0), 1.0)
    share = max(waves, abs(c))
    return Pattern(p, share, waves, test, c, float(scores[0]), remaining, runs, expected)


def _chi_squared(value: float, dof: int) -> float:
    from scipy.special import chdtrc

    return float(chdtrc(dof, value))


def _by_place(
    r: np.ndarray, Q: np.ndarray, places: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """Sums over equal places, divided by the roots of their counts: of the noise's variance."""
    new = places[1:] != places[:-1]
    if new.all():
        return r, Q, None
    first = np.append(0, np.flatnonzero(new) + 1)
    roots = np.sqrt(np.diff(first, append=r.size))
    return np.add.reduceat(r, first) / roots, np.add.reduceat(Q, first) / roots[:, None], roots


def _waves(
    r: np.ndarray, Q: np.ndarray, counts: np.ndarray | None, dof: int, rss: float
) -> tuple[Callable[[], np.ndarray], float, float]:
    """The slow waves as far as the fit leaves them, their share of `rss`, and the F test's p."""
    from scipy.special import fdtrc

    k = min(max(dof // 3, 1), _MOST_WAVES)
    C = (_cosines if r.size <= _MANY else _cosines.__wrapped__)(r.size, k)
    C = C if counts is None else C * counts[:, None]
    P = Q.T @ C
    whole = C.T @ C
    values, vectors = np.linalg.eigh(whole - P.T @ P)
    left = values > _FITTED_ALREADY * whole.max()
    unit = vectors[:, left] / np.sqrt(values[left])
    k = unit.shape[1]
    if not k or dof - k < 2:
        return lambda: np.zeros((r.size, 0)), 0.0, 1.0
    parts = (r @ C - (r @ Q) @ P) @ unit
    explained = min(float(parts @ parts), rss)
    rest = rss - explained
    F = (explained / k) / (rest / (dof - k)) if rest > 0 else math.inf
    beyond = max(0.0, explained - k * rss / dof)  # noise too has a share in them
    return lambda: (C - Q @ P) @ unit, beyond / rss, float(fdtrc(k, dof - k, F))


@functools.lru_cache(maxsize=4)  # fits that are diagnosed together often have as many points
def _cosines(m: int, k: int) -> np.ndarray:
    """cos(pi (i + 1/2) j / m) of i = 0 ... m - 1 and j = 1 ... k, (m, k)."""
    return np.cos(np.arange(0.5, m)[:, None] * (np.arange(1, k + 1) * (math.pi / m)))


def _lags(
    r: np.ndarray, Q: np.ndarray, most: int, dof: int, rss: float
) -> tuple[np.ndarray, np.ndarray]:
    """Correlations over 1, 2, ... places, as normal scores and beyond their means.

    Each is a ratio r'Ar / r'r, A half the sum of the shifts by k and -k. Its moments are exact:
    tr(MA) = -tr(Q'AQ) and tr(MAMA) = tr(A^2) - 2 tr(Q'A^2 Q) + tr((Q'AQ)^2) with M = I - QQ'.
    """
    m, n = Q.shape
    k = np.arange(1, most + 1)
    E = np.zeros((m + 2 * most, n + 1))
    E[:m, :n], E[:m, n] = Q, r
    strides = (E.strides[0], *E.strides)
    shifted = np.ndarray((2 * most, m, n + 1), buffer=E, offset=strides[0], strides=strides)
    B = E[:m].T @ shifted
    products, B = B[:most, n, n], B[:, :n, :n]  # of r, and (2 most, n, n) of Q
    traces = B.trace(axis1=1, axis2=2)
    S = 0.5 * (B[:most] + B[:most].transpose(0, 2, 1))
    h = np.einsum("ij,ij->i", Q, Q)
    ends = np.cumsum(h[:most]) + np.cumsum(h[: -most - 1 : -1])
    squares = 0.25 * (2 * h.sum() - ends) + 0.5 * traces[1::2]
    mean = -traces[:most]
    second = 0.5 * (m - k) - 2 * squares + (S * S).sum(axis=(1, 2))
    variance = 2 * (dof * second - mean**2) / (dof * dof * (dof + 2.0))
    beyond = products / rss - mean / dof
    return beyond / np.sqrt(np.maximum(variance, 1e-12)), beyond


def _runs(r: np.ndarray, Q: np.ndarray) -> tuple[int, float, float]:
    """Runs of one sign, the number expected, and how far they differ, as a normal score.

    Neighbours of correlation c have different signs with probability arccos(c) / pi.
    """
    runs = 1 + int(np.count_nonzero((r[1:] > 0) != (r[:-1] > 0)))
    left = np.sqrt(1 - np.minimum(np.einsum("ij,ij->i", Q, Q), 1 - 1e-9))
    c = np.einsum("ij,ij->i", Q[1:], Q[:-1]) / (left[1:] * left[:-1])
    change = np.arccos(np.clip(-c, -1.0, 1.0)) / math.pi
    expected = 1 + float(change.sum())
    deviation = math.sqrt(max(float((change * (1 - change)).sum()), 1e-9))
    return runs, expected, (runs - expected) / deviation
