"""Where to start: what the guesses of all models are made of.

Most models are linear in some parameters once the others are known (Golub & Pereyra 1973, SIAM J.
Numer. Anal. 10, 413: variable projection). A `Scan` tries a small grid of the others, spaced by
what the data can tell apart, solves for the linear ones at each node in one batch of least squares
problems, and zooms in on the best node. That looks at the whole curve at once, so that noise
averages out, and it has no case to forget: peaks upside down, decays that rise, x in any unit.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from nlsq.utils.input_error import InputError

Axis = Callable[[np.ndarray, np.ndarray], np.ndarray]
_POINTS = 200  # what a scan looks at
_BUDGET = 20_000  # points times nodes of one look: the finer the grid, the coarser the data
_FEWEST = 40
_ZOOMS = 3
_STEPS = 12
_OFFSETS = np.array([-2.0, -1.0, 0.0, 1.0, 2.0])
_RIDGE = 1e-11  # two members that are one (equal rates) share their amplitude


# ------------------------------------------------------------------------------------- the data
def tidy(x: Any, y: Any) -> tuple[np.ndarray, np.ndarray]:
    """Floats, finite points only, x ascending (of several abscissae: the order is kept)."""
    x, y = np.asarray(x, float), np.asarray(y, float).ravel()
    x = np.atleast_1d(x)
    if x.shape[-1] != y.size:
        raise InputError(f"x has {x.shape[-1]} points, y has {y.size}.", "Give one y for each x.")
    good = np.isfinite(y) & np.isfinite(x).all(axis=tuple(range(x.ndim - 1)))
    if not good.all():
        x, y = x[..., good], y[good]
    if x.ndim == 1 and (x[1:] < x[:-1]).any():
        order = np.argsort(x, kind="stable")
        x, y = x[order], y[order]
    return x, y


def thin(x: np.ndarray, y: np.ndarray, most: int = _POINTS) -> tuple[np.ndarray, np.ndarray]:
    """At most so many points, each the mean of its neighbours."""
    m = y.size
    if m <= most:
        return x, y
    edges = np.linspace(0, m, most + 1).astype(int)
    counts = np.diff(edges)
    return np.add.reduceat(x, edges[:-1], axis=-1) / counts, np.add.reduceat(y, edges[:-1]) / counts


def pick(x: np.ndarray, y: np.ndarray, most: int) -> tuple[np.ndarray, np.ndarray]:
    """At most so many of the points, at uneven distances: what is periodic stays so."""
    m = y.size
    if m <= most:
        return x, y
    k = np.arange(most)
    at = ((k + k * 0.6180339887498949 % 1) * (m / most)).astype(int)
    return x[at], y[at]


def smooth(y: np.ndarray, width: int) -> np.ndarray:
    """Running mean over `width` points, the ends repeated."""
    padded = np.pad(y, (width // 2, width - 1 - width // 2), mode="edge")
    total = np.cumsum(np.r_[0.0, padded])
    return (total[width:] - total[:-width]) / width


def span(x: np.ndarray) -> float:
    """Length of the range of x; when it is a point, its distance from zero, or 1."""
    return float(np.ptp(x)) or float(np.abs(x).max()) or 1.0


# -------------------------------------------------------------------------- axes of a scan's grid
def values(*candidates: float) -> Axis:
    """Fixed numbers, for parameters without a unit."""
    return lambda x, y: np.array(candidates, float)


def positions(n: int = 32, beyond: float = 0.0) -> Axis:
    """Across the range of x, and `beyond` it by this part of its length on both sides."""

    def axis(x, y):
        more = beyond * span(x)
        return np.linspace(x.min() - more, x.max() + more, n)

    return axis


def summits(n: int = 24) -> Axis:
    """Across the range of x, and where the smoothed data are highest and lowest."""

    def axis(x, y):
        found = [positions(n)(x, y)]
        for width in (1, 3, 9, 25):
            if width <= y.size:
                level = smooth(y, width)
                found.append(x[[level.argmax(), level.argmin()]])
        return np.unique(np.concatenate(found))

    return axis


def widths(low: float = 0.004, high: float = 1.0, n: int = 14) -> Axis:
    """Lengths in x, as parts of its range."""
    return lambda x, y: span(x) * np.geomspace(low, high, n)


def rates(low: float = 0.1, high: float = 100.0, n: int = 24) -> Axis:
    """1/lengths: so many over the range of x."""
    return lambda x, y: np.geomspace(low, high, n) / span(x)


def scales(low: float = 0.3, high: float = 3.0, n: int = 24) -> Axis:
    """Sizes of x itself: from `low` times the smallest to `high` times the largest."""

    def axis(x, y):
        size = np.abs(x[x != 0]) if (x != 0).any() else np.ones(1)
        smallest = max(size.min(), 1e-4 * size.max())  # a point near zero is no scale
        return np.geomspace(low * smallest, high * size.max(), n)

    return axis


def inverse(axis: Axis) -> Axis:
    """1/candidates."""
    return lambda x, y: 1 / axis(x, y)


def signed(axis: Axis) -> Axis:
    """The candidates with both signs, of which a scan follows the best of each."""

    def both(x, y):
        candidates = axis(x, y)
        return np.stack([-candidates[::-1], candidates])

    return both


# ------------------------------------------------------------------------------------- the scan
class Scan:
    """Guess of a model that is linear in the parameters without an axis.

    Parameters
    ----------
    then : callable, optional
        Puts the parameters found in order, as the names promise.
    **axes : Axis
        For each nonlinear parameter its candidates, from the data.

    Examples
    --------
    >>> from nlsq import models
    >>> gaussian = models.get("gaussian")
    >>> x = np.linspace(0, 10, 101)
    >>> Scan(mu=positions(), sigma=widths())(gaussian, x, gaussian(x, 3, 4, 0.5)).round(1).tolist()
    [3.0, 4.0, 0.5]
    """

    def __init__(self, then: Callable = np.asarray, **axes: Axis):
        self.then, self.axes = then, axes

    def __call__(self, model, x, y, beside=None) -> np.ndarray:
        x, y, beside = _seen(model, x, y, beside)
        candidates = [self.axes[name](x, y) if name in self.axes else None for name in model.names]
        low, high = model.bounds()
        inside = [
            c if c is None else np.clip(c, a, b)
            for c, a, b in zip(candidates, low, high, strict=True)
        ]
        branches = itertools.product(*([None] if c is None else np.atleast_2d(c) for c in inside))
        found = [_scan(model.function, b, (x, y, beside), (low, high)) for b in branches]
        return self.then(min(found, key=lambda end: end[1])[0])


def exchange(unless: tuple[int, int], order: list[int]) -> Callable:
    """Two members that are alike change places unless p[i] <= p[j]."""
    i, j = unless
    return lambda p: p if p[i] <= p[j] else p[order]


def _seen(model, x, y, beside):
    """Without points at which the model is not defined."""
    good = np.isfinite(np.broadcast_to(model.function(x, *model.middle()), y.shape))
    if good.all() or not good.any():
        return x, y, beside
    return x[..., good], y[good], None if beside is None else beside[good]


def scan(
    f: Callable,
    axes: Sequence[np.ndarray | None],
    x: np.ndarray,
    y: np.ndarray,
    bounds: tuple = (-np.inf, np.inf),
    beside: np.ndarray | None = None,
    points: tuple[int, int] = (_FEWEST, _POINTS),
) -> np.ndarray:
    """The best of a grid over the parameters that have candidates, linear in the others.

    Parameters
    ----------
    f : callable
        ``f(x, *parameters)``, elementwise.
    axes : sequence of n arrays or None
        Candidates in order; None for a linear parameter.
    x, y : ndarray
    bounds : pair of (n,) arrays
    beside : ndarray, shape (m, k), optional
        Columns that are fitted together with the linear parameters, and forgotten.
    points : (int, int)
        More data are averaged over neighbours: to the first number on a fine grid, to the second
        on a coarse one.

    Returns
    -------
    ndarray, shape (n,)
    """
    return _scan(f, axes, (x, y, beside), bounds, points)[0]


def _scan(f, axes, data, bounds, points=(_FEWEST, _POINTS)) -> tuple[np.ndarray, float]:
    """The best parameters and their sum of squares."""
    fewest, most = points
    data = _thinned(*data, most)
    grids = [a for a in axes if a is not None]
    nodes = [np.arange(a.size, dtype=float) for a in grids]
    step = 1.0
    for _ in range(_ZOOMS if grids else 1):
        mesh = np.zeros((0, 1))
        if grids:
            mesh = np.array(np.meshgrid(*nodes, indexing="ij")).reshape(len(grids), -1)
        at = [np.interp(k, np.arange(a.size), a)[:, None] for k, a in zip(mesh, grids, strict=True)]
        seen = int(np.clip(_BUDGET / mesh.shape[-1], fewest, most))
        found, cost = _projected(f, axes, at, _thinned(*data, seen), bounds)
        best = int(np.argmin(cost))
        step /= 3
        nodes = [
            np.unique(np.clip(k + step * _OFFSETS, 0, a.size - 1))
            for k, a in zip(mesh[:, best], grids, strict=True)
        ]
    return found[best], float(cost[best])


def _thinned(x, y, beside, most):
    if beside is not None and y.size > most:
        beside = np.stack([thin(x, column, most)[1] for column in beside.T], axis=-1)
    return *thin(x, y, most), beside


def _projected(f, axes, at, data, bounds) -> tuple[np.ndarray, np.ndarray]:
    """At each of K nodes all parameters (K, n), and the sum of squares (K,)."""
    x, y, beside = data
    linear = [i for i, a in enumerate(axes) if a is None]
    n, nodes = len(linear), at[0].shape[0] if at else 1
    # one call: each linear parameter in turn is 1 and the others 0, and all are 0
    supplied, one = iter(at), iter(np.eye(n + 1, n).T[:, :, None, None])
    values = [next(one) if a is None else next(supplied) for a in axes]
    curves = np.broadcast_to(f(x, *values), (n + 1, nodes, y.size))
    rows = [*(curves[:n] - curves[n]), *([] if beside is None else beside.T), y - curves[n]]
    table = np.empty((nodes, len(rows), y.size))
    for i, row in enumerate(rows):
        table[:, i] = row
    products = table @ table.transpose(0, 2, 1)
    bad = ~np.isfinite(products).all(axis=(1, 2))
    products[bad] = 0.0
    gram, project, total = products[:, :-1, :-1], products[:, :-1, -1:], products[:, -1, -1]
    size = np.sqrt(np.diagonal(gram, axis1=1, axis2=2))[..., None]
    size = np.where(size > 0, size, 1.0)
    gram, project = gram / (size * size.transpose(0, 2, 1)), project / size
    amplitude = np.linalg.solve(gram + _RIDGE * np.eye(gram.shape[-1]), project) / size
    low, high = (np.broadcast_to(b, len(axes))[linear][:, None] for b in bounds)
    amplitude[:, :n] = np.clip(amplitude[:, :n], low, high)
    scaled = amplitude * size
    cost = total + (scaled * (gram @ scaled - 2 * project)).sum(axis=(1, 2))
    found = np.empty((nodes, len(axes)))
    found[:, linear] = amplitude[:, :n, 0]
    for i, a in enumerate(axes):
        if a is not None:
            found[:, i] = np.ravel(values[i])
    found[bad] = np.nan
    return found, np.where(bad | np.isnan(cost), np.inf, cost)


def polished(model, x: np.ndarray, y: np.ndarray, p: np.ndarray) -> np.ndarray:
    """The parameters after some steps of Levenberg and Marquardt, within the bounds."""
    low, high = model.bounds()
    residual, damping = model(x, *p) - y, 0.01
    for _ in range(_STEPS):
        h = 1e-6 * np.where(p == 0, 1.0, np.abs(p))
        columns = [(model(x, *(p + one)) - y - residual) / one.sum() for one in np.diag(h)]
        J = np.stack([np.broadcast_to(c, y.shape) for c in columns], axis=1)
        size = np.sqrt((J**2).sum(axis=0))
        if not (np.isfinite(size).all() and size.all()):
            break
        J = J / size
        step = np.linalg.solve(J.T @ J + damping * np.eye(p.size), J.T @ residual) / size
        tried = np.clip(p - step, low, high)
        new = model(x, *tried) - y
        if new @ new < residual @ residual:
            p, residual, damping = tried, new, damping / 5
        else:
            damping *= 10
    return p


# ------------------------------------------------------------------------ closed forms and parts
def line(x: np.ndarray, y: np.ndarray, weight: Any = 1.0) -> tuple[float, float]:
    """Slope and intercept of the weighted least squares line; slope 0 when x is a point."""
    weight = np.broadcast_to(np.asarray(weight, float), x.shape)
    good = np.isfinite(x) & np.isfinite(y) & np.isfinite(weight) & (weight > 0)
    if not good.any():
        return 0.0, 0.0
    x, y, weight = x[good], y[good], weight[good] / weight[good].sum()
    xm, ym = weight @ x, weight @ y
    spread = weight @ (x - xm) ** 2
    slope = weight @ ((x - xm) * (y - ym)) / spread if spread > 0 else 0.0
    return float(slope), float(ym - slope * xm)


def frequencies(x: np.ndarray, y: np.ndarray, n: int = 25) -> np.ndarray:
    """Candidates around the highest line of the spectrum, and slow ones that have no line."""
    slow = np.linspace(0.15, 2.0, 12) / span(x)
    if y.size < 4 or np.ptp(x) == 0:
        return slow
    size = int(2 ** np.ceil(np.log2(min(2 * y.size, 2**15))))
    even = np.linspace(x[0], x[-1], size)
    level = np.interp(even, x, y)
    level = (level - level.mean()) * np.hanning(size)
    power = np.abs(np.fft.rfft(level, 4 * size))
    found = np.fft.rfftfreq(4 * size, even[1] - even[0])[power.argmax()]
    near = found + np.linspace(-1.5, 1.5, n) / span(x)
    return np.unique(np.concatenate([slow, near[near > 0]]))
