"""One fit's data and parameters, validated once and laid out for the engine."""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from nlsq.core.abscissae import Abscissae
from nlsq.core.given import (
    ONE_THREAD,
    apply_nan_policy,
    hidden_points,
    is_plain,
    numeric,
    real,
    refuse_masks,
    refuse_units,
    require_finite,
    spread,
)
from nlsq.core.model import parameter_names
from nlsq.interfaces.orchestration_protocol import PreprocessedData

COMPLEX_MODEL = (
    "The model returns complex values but ydata is real. Return its real part, modulus or phase, "
    "or give complex ydata."
)

MANY = 64  # parameters, from which on a NumPy call costs less than a turn for each
UNBOUNDED = (-np.inf, np.inf)
_LARGEST_COPY = 1 << 22  # bytes


@dataclasses.dataclass
class Parameters:
    """Start and bounds of the fit parameters, all (n,).

    Attributes
    ----------
    bounded : bool
        Whether some bound is finite.
    free : ndarray
        1.0 for a parameter that may move, 0.0 for one with lb == ub.
    """

    p0: np.ndarray
    lb: np.ndarray
    ub: np.ndarray
    names: Sequence[str]

    def __post_init__(self):
        # in plain numbers, here and below: each first call of a NumPy function in a fit costs
        # several microseconds, most of them for code that has left the processor's cache
        if self.lb.size > MANY:
            self.bounded = bool(self.lb.max() > -math.inf or self.ub.min() < math.inf)
            self.free = (self.lb < self.ub).astype(float)
            return
        low, high = self.lb.tolist(), self.ub.tolist()
        self.bounded = max(low) > -math.inf or min(high) < math.inf
        self.free = np.array([float(a < b) for a, b in zip(low, high, strict=True)])


@dataclasses.dataclass
class Observations:
    """Data of one fit.

    A point of weight 0 (sigma = inf, or masked) is left out of every sum and count. Only the model
    sees it, among the others.

    Attributes
    ----------
    x : Abscissae
    y : ndarray, shape (m,), float or complex
    sigma : None, scalar, (m,) or (m, m), as given after omitting NaN rows
    weights : ndarray (m,) or None, 1 / sigma
    factor : ndarray (m, m) or None, lower Cholesky factor of a covariance sigma
    """

    x: Abscissae
    y: np.ndarray
    sigma: Any
    weights: np.ndarray | None
    factor: np.ndarray | None

    @classmethod
    def of(cls, data: PreprocessedData) -> Observations:
        """The data as the engine takes them."""
        x = Abscissae(data.xdata, data.ydata.size, data.shape)
        made = cls(x, data.ydata, data.sigma, data.weights, data.factor)
        if data.weights is not None:
            made._idle = data.idle
        return made

    @property
    def idle(self) -> np.ndarray | None:
        """(m,) True for the points of weight 0; None when there are none."""
        return None if self.weights is None else self._idle

    @functools.cached_property
    def _idle(self) -> np.ndarray | None:
        return None if self.weights.all() else self.weights == 0

    @property
    def n_residuals(self) -> int:
        """Number of real residuals; a complex point counts twice, one of weight 0 not at all."""
        count = self.y.size - (0 if self.idle is None else np.count_nonzero(self.idle))
        return int(count) * (2 if self.is_complex else 1)

    def counted(self, values: np.ndarray, fill: float = 0.0) -> np.ndarray:
        """`values` (m, ...) with `fill` for the points of weight 0."""
        if self.idle is None:
            return values
        return np.where(self.idle.reshape(-1, *[1] * (values.ndim - 1)), fill, values)

    @property
    def is_complex(self) -> bool:
        """Whether the dependent data are complex."""
        return self.y.dtype.kind == "c"

    def spread(self) -> float:
        """Sum of squares of the whitened data about their mean."""
        y = self.y
        if self.factor is None and self.weights is None and not self.is_complex:
            small = y.size <= ONE_THREAD  # of these a sum costs more than a product
            total, square = float(y.dot(_ones(y.size)) if small else y.sum()), float(y.dot(y))
            rest = square - total * total / y.size
            if rest > 1e-6 * square:  # has digits left
                return rest
        y = self.counted(y)
        count = y.size if self.idle is None else y.size - np.count_nonzero(self.idle)
        around = self.whiten(self.counted(y - y.sum() / max(count, 1)))
        return float(around.dot(around))

    def sample(self, size: int) -> Observations:
        """One point from each of `size` strata of equal length, the same at every call."""
        at = sample_places(self.y.size, size)
        weights = None if self.weights is None else self.weights[at]
        return Observations(self.x.take(at), self.y[at], None, weights, None)

    def whiten(self, difference: np.ndarray) -> np.ndarray:
        """Whitened residual (or rows) of shape (m,) or (m, n) as real numbers."""
        if self.factor is not None:
            from scipy.linalg import solve_triangular

            difference = solve_triangular(self.factor, difference, lower=True, check_finite=False)
        elif self.weights is not None:
            shape = (-1,) + (1,) * (difference.ndim - 1)
            difference = self.counted(difference) * self.weights.reshape(shape)
        if self.is_complex:
            difference = np.concatenate([difference.real, difference.imag])
        return difference


@functools.lru_cache(maxsize=8)
def _ones(m: int) -> np.ndarray:
    return np.ones(m)


def sample_places(m: int, size: int) -> np.ndarray:
    """One of m points from each of `size` strata of equal length, in order."""
    if size >= m:
        return np.arange(m)
    return ((np.arange(size) + np.random.default_rng(0).random(size)) * (m / size)).astype(int)


def parse_bounds(bounds, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Lower and upper bounds (n,) from a pair, `scipy.optimize.Bounds` or n (low, high) pairs.

    Raises
    ------
    ValueError
        If they do not fit n parameters, are NaN, or a lower bound is above its upper bound.
    """
    if bounds is UNBOUNDED:
        return np.array([-math.inf] * n), np.array([math.inf] * n)
    if hasattr(bounds, "lb") and hasattr(bounds, "ub"):  # SciPy's makes arrays of its numbers
        bounds = tuple(b[0] if np.shape(b) == (1,) else b for b in (bounds.lb, bounds.ub))
    for bound in bounds if isinstance(bounds, list | tuple) else (bounds,):
        if not is_plain(bound):
            refuse_units(bound, "bounds")
            refuse_masks(bound, "bounds", "Use -inf and inf for no bound.")
    try:
        pairs = list(bounds)
    except TypeError:
        raise TypeError(
            "`bounds` must be (lower, upper), scipy.optimize.Bounds or one (low, high) pair per "
            "parameter."
        ) from None
    if len(pairs) == n != 2 and all(np.shape(pair) == (2,) for pair in pairs):
        pairs = list(np.array([[_bound(v, s) for v, s in zip(p, (-1, 1), strict=True)]
                               for p in pairs]).T)  # fmt: skip
    if len(pairs) != 2:
        raise ValueError(f"`bounds` must contain 2 elements, lower and upper; got {len(pairs)}.")
    try:
        values = [real(b, "bounds") for b in pairs]
    except (TypeError, ValueError) as error:
        raise ValueError(f"`bounds` must be numbers: {error}") from None
    if not all(b.shape in ((), (n,)) for b in values):
        shapes = " and ".join(str(b.shape) for b in values)
        raise ValueError(
            f"Inconsistent shapes between bounds and start: bounds of shape {shapes} for {n} "
            "parameters. Give a number or one value per parameter."
        )
    lb, ub = (b.copy() if b.ndim else np.full(n, b) for b in values)
    if n > MANY and (lb <= ub).all():
        return lb, ub
    if all(low <= high for low, high in zip(lb.tolist(), ub.tolist(), strict=True)):
        return lb, ub
    if np.isnan(lb).any() or np.isnan(ub).any():
        raise ValueError("`bounds` must not contain NaN; use -inf and inf for no bound.")
    i = np.flatnonzero(lb > ub)[0]
    raise ValueError(
        f"Each lower bound must be less than its upper bound; parameter {i} has "
        f"lb = {lb[i]:g} > ub = {ub[i]:g}."
    )


def _bound(value, side: int) -> float:
    return side * np.inf if value is None else float(value)


def parse_start(p0, lb, ub, names, name: str = "`p0`") -> np.ndarray:
    """Start (n,); default as SciPy: 1, moved inside the bounds.

    Raises
    ------
    ValueError
        If a start is not finite or outside the bounds.
    """
    if p0 is None:
        start = np.ones(lb.size)
        if lb.max() == -np.inf and ub.min() == np.inf:
            return start
        low, high = np.isfinite(lb), np.isfinite(ub)
        start[low & high] = lb[low & high] + 0.5 * (ub[low & high] - lb[low & high])
        start[low & ~high] = lb[low & ~high] + 1
        start[~low & high] = ub[~low & high] - 1
        return start
    try:
        start = numeric(p0, name.strip("`")).flatten()
    except ValueError as error:
        raise TypeError(f"{name} must be numbers, one for each parameter: {error}") from None
    if start.dtype.kind == "c":
        raise TypeError(f"{name} must be real; fit real and imaginary part as two parameters.")
    if start.size > MANY and ((lb <= start) & (start <= ub) & np.isfinite(start)).all():
        return start
    every = zip(names, start.tolist(), lb.tolist(), ub.tolist(), strict=True)
    for parameter, value, low, high in every:
        if not math.isfinite(value):
            raise ValueError(f"{name} must be finite; the start of {parameter!r} is not.")
        if not low <= value <= high:
            raise ValueError(
                f"Initial guess is outside of provided bounds: {name} is infeasible, it starts "
                f"{parameter!r} at {value:g}, not in [{low:g}, {high:g}]. Move the start or the "
                "bounds."
            )
    return start


def parse_parameters(f, p0, bounds) -> Parameters:
    """Parameters of the model f(x, a, b, ...).

    Raises
    ------
    TypeError, ValueError
        When `f` is no model, or start and bounds do not fit it.
    """
    if not callable(f):
        raise TypeError(f"the model must be a callable f(x, a, b, ...), got {f!r}.")
    plain = is_plain(p0)
    if not plain:
        refuse_units(p0, "p0")
        refuse_masks(p0, "p0", "Give a start for each parameter.")
    size = len if plain and isinstance(p0, list | tuple) else np.size
    names = parameter_names(f, None if p0 is None else size(p0))
    lb, ub = parse_bounds(bounds, len(names))
    return Parameters(parse_start(p0, lb, ub, names), lb, ub, names)


def interior_start(p: Parameters) -> np.ndarray:
    """The start moved off its bounds by a relative 1e-10, where the reflective method can begin."""
    if not p.bounded:
        return p.p0
    if p.p0.size > MANY:
        x, free = p.p0.copy(), p.free > 0
        x[free] = interior_starts(x[free], p.lb[free], p.ub[free])
        return x
    each = zip(p.p0.tolist(), p.lb.tolist(), p.ub.tolist(), strict=True)
    return np.array([_interior(*one) for one in each])


def _interior(x: float, lb: float, ub: float) -> float:
    gap = 1e-9 * (abs(x) or 1.0)
    if lb == ub or (lb < x - gap and x + gap < ub):  # a fixed parameter, or far from its bounds
        return x
    if lb > -math.inf:
        x = max(x, lb + _gap(lb, x))
    if ub < math.inf:
        x = min(x, ub - _gap(ub, x))
    tight = not lb <= x <= ub
    return lb + 0.5 * (ub - lb) if tight else x


def interior_starts(x, lb, ub) -> np.ndarray:
    """`interior_start` of many fits at once; all arrays alike, no parameter fixed."""
    size = np.where(x == 0, 1.0, np.abs(x))
    near = ~((lb < x - 1e-9 * size) & (x + 1e-9 * size < ub))
    if not near.any():
        return x
    x0, x, lb, ub = x.copy(), x[near], lb[near], ub[near]
    inner = x.copy()
    for bound, side, inward in ((lb, np.maximum, 1e-10), (ub, np.minimum, -1e-10)):
        finite = np.isfinite(bound)
        size = np.maximum(np.abs(bound), np.abs(inner))[finite]
        gap = inward * np.where(size == 0, 1.0, size)
        inner[finite] = side(inner[finite], bound[finite] + gap)
    tight = ~((lb <= inner) & (inner <= ub))
    inner[tight] = lb[tight] + 0.5 * (ub[tight] - lb[tight])
    x0[near] = inner
    return x0


def _gap(bound: float, x: float) -> float:
    return 1e-10 * (max(abs(bound), abs(x)) or 1.0)


def parse_observations(xdata, ydata, sigma, check_finite, nan_policy) -> Observations:
    """`checked_data` as the engine takes them."""
    return Observations.of(checked_data(xdata, ydata, sigma, check_finite, nan_policy))


def checked_data(xdata, ydata, sigma, check_finite, nan_policy) -> PreprocessedData:
    """Validate data as `scipy.optimize.curve_fit` does, with messages that say what to do.

    Raises
    ------
    ValueError
        Empty, not finite, mismatched, or `sigma` of the wrong shape or sign.
    TypeError
        Data that are not numbers.
    """
    if check_finite is None:
        check_finite = nan_policy is None
    hidden = hidden_points(xdata, ydata, sigma)
    y = numeric(ydata, "ydata")
    shape = y.shape
    y = _own(y.ravel())
    if y.size == 0:
        raise ValueError("`ydata` must not be empty!")
    if isinstance(xdata, list | tuple | np.ndarray):
        xdata = _own(numeric(xdata, "xdata"))
    if hidden is not None:
        sigma = _mask_sigma(sigma, hidden)
    if not check_finite and nan_policy is not None:
        bad, xdata = apply_nan_policy(xdata, y.reshape(shape), nan_policy, hidden)
        if bad is not None:
            y, sigma, shape = y[~bad], _without(sigma, bad), ()
    sigma = _own(sigma)
    weights, factor = _parse_sigma(sigma, y.size)
    idle = None if weights is None or weights.all() else weights == 0
    if idle is not None and idle.all():
        raise TypeError("No point is left: every one is masked or has an infinite sigma.")
    data = PreprocessedData(xdata, y, sigma, weights, factor, idle, shape)
    if check_finite:
        _require_finite_data(data, hidden, shape)
    return data


def _require_finite_data(data: PreprocessedData, hidden: np.ndarray | None, shape: tuple) -> None:
    """SciPy's ValueError for a NaN or inf, but in masked points."""
    x, y = data.xdata, data.ydata
    # of more points the first pass tells, at no cost (`finish.check_start`)
    if y.size <= ONE_THREAD or data.idle is not None:
        require_finite(y if hidden is None else np.where(hidden, 0.0, y), "ydata")
    if isinstance(x, np.ndarray):
        flags = None if hidden is None else spread(hidden, x.shape, shape)
        require_finite(x if flags is None else np.where(flags, 0.0, x), "xdata")
    elif hasattr(x, "to_numpy"):
        require_finite(np.asarray(x.to_numpy()), "xdata")


def _mask_sigma(sigma, hidden: np.ndarray) -> np.ndarray:
    """`sigma` with inf, which is weight 0, for the points that are masked."""
    if np.ndim(sigma) == 2:
        raise ValueError(
            "Masked data and a covariance matrix: leave the masked points out of both, "
            "x[keep], y[keep], sigma[np.ix_(keep, keep)] with keep = ~mask."
        )
    return np.where(hidden, np.inf, 1.0 if sigma is None else numeric(sigma, "sigma"))


def _without(sigma, bad: np.ndarray):
    """`sigma` of the points that are left."""
    if sigma is None:
        return None
    sigma = np.asarray(sigma)
    if sigma.shape == (bad.size, bad.size):
        return sigma[np.ix_(~bad, ~bad)]
    return sigma[~bad] if sigma.shape == bad.shape else sigma


def _own(data):
    """A copy that later changes of the user's array do not reach; large data are not doubled."""
    if isinstance(data, np.ndarray) and data.nbytes <= _LARGEST_COPY:
        return data.copy()
    return data


def require_enough_points(n: int, data: Observations) -> None:
    """Raise SciPy's TypeError when there are fewer residuals than parameters."""
    if n > data.n_residuals:
        raise TypeError(
            f"The number of func parameters={n} must not exceed the number of data points="
            f"{data.n_residuals}. Measure more points, fix parameters by equal bounds, or pass "
            "method='trf', which then leaves directions undetermined."
        )


def _parse_sigma(sigma, m: int):
    """(weights, lower Cholesky factor), at most one of them not None."""
    if sigma is None:
        return None, None
    try:
        sigma = numeric(sigma, "sigma")
    except ValueError as error:
        raise TypeError(str(error)) from None
    if sigma.dtype.kind == "c":
        raise TypeError("`sigma` must be real.")
    if sigma.size == 1 or sigma.shape == (m,):
        if not (sigma > 0).all():
            bad = int(np.argmin(sigma.ravel() > 0))
            raise ValueError(
                f"`sigma` must be positive and not NaN; element {bad} is {sigma.ravel()[bad]:g}. "
                "Leave a point without a finite uncertainty out, or give it sigma=inf: weight 0."
            )
        return np.broadcast_to(1 / sigma.ravel(), m), None
    if sigma.shape == (m, m):
        if not np.isfinite(sigma).all():
            raise ValueError("`sigma` must not contain infs or NaNs.")
        from scipy.linalg import cholesky

        try:
            factor = cholesky(sigma, lower=True)
        except np.linalg.LinAlgError as error:
            raise ValueError(
                f"`sigma` must be positive definite: {error}. A covariance matrix is symmetric "
                "with positive eigenvalues; standard deviations go in as a 1-D array."
            ) from error
        return None, factor
    raise ValueError(
        f"`sigma` has incorrect shape {sigma.shape}: expected a scalar, ({m},) standard deviations "
        f"or a ({m}, {m}) covariance matrix."
    )
