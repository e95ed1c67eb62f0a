"""A fit whose global minimum is looked for: its cost at many parameter vectors in one call.

The user's NumPy function is called once with columns (k, 1) as parameters, beside which x
broadcasts: k curves (k, m) in one call. That is right where the function does not look at the shape
of its parameters, so one curve of each call is compared with what the function gives for it alone,
and where they differ each vector is evaluated by itself. A search may be led astray by what this
does not see; its answer is not: that is the ordinary fit from the best end.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from functools import cached_property, partial
from typing import Any

import numpy as np

from nlsq.core.drive import buying
from nlsq.core.drive.tries import values_or_nan
from nlsq.core.loss_functions import scale_rows
from nlsq.core.model.model import Model
from nlsq.core.model.sharing import Raised
from nlsq.core.problem.observations import COMPLEX_MODEL, Observations
from nlsq.core.problem.options import Options
from nlsq.core.problem.parameters import Parameters
from nlsq.result.distinct import SAME_COST
from nlsq.result.minima import Minima
from nlsq.utils import interruption
from nlsq.utils.given import WrongValue, fits, wrong_value

_ELEMENTS = 1 << 17  # points times vectors that are evaluated in a call
_NOTHING = 1e-14  # of the cost of a constant: rounding
_SAME = 1e-9  # difference of two curves, relative to the largest value, that rounding may make


@dataclasses.dataclass
class Found:
    """What a search hands to the fit.

    Attributes
    ----------
    p0 : ndarray (n,)
        The best point, where the fit begins.
    minima : Minima or None
        The evidence of a search from many starts.
    diagnostics : dict
        What else the result is to have, by name.
    """

    p0: np.ndarray
    minima: Minima | None = None
    diagnostics: dict[str, Any] = dataclasses.field(default_factory=dict)

    def told(self) -> dict[str, Any]:
        """What the result has of it."""
        own = {} if self.minima is None else {"minima": self.minima}
        return own | self.diagnostics


class Problem:
    """A model, its data, bounds and options, to be evaluated at many parameter vectors.

    Attributes
    ----------
    lb, ub : ndarray (n,)
    free : ndarray of bool (n,)
        The parameters that are fitted; the others have the value of `p0`.
    in_columns : bool
        Whether many curves are evaluated by one call, as far as is known.
    evaluations : int
        Curves that were evaluated so far, and by local fits.
    failed : int
        Vectors at which the user's function raised, or gave what is no number.
    first_failure : str
        The first reason.
    deadline : float or None
        After which nothing is evaluated.
    """

    def __init__(self, model: Model, data: Observations, parameters: Parameters, options: Options):
        self.model, self.data = model, data
        self.parameters, self.options = parameters, options
        self.names = tuple(parameters.names)
        self.lb, self.ub, self.p0 = parameters.lb, parameters.ub, parameters.p0
        self.free = parameters.free > 0
        self.evaluations = self.failed = 0
        self.first_failure = ""
        self.deadline: float | None = None
        self._x = data.x.arrays()
        account = buying.account_of(model)
        self.in_columns = not account.writes_jax and isinstance(self._x, np.ndarray)
        self._turn = 0
        self.whole = self  # of which this is a sample

    @property
    def n(self) -> int:
        """Number of parameters, the fixed ones included."""
        return len(self.names)

    @cached_property
    def x(self) -> np.ndarray | None:
        """The abscissae as numbers, (m,) or (k, m); None when they are something else."""
        x = self._x
        numbers = isinstance(x, np.ndarray) and x.dtype.kind in "fiu" and x.ndim in (1, 2)
        return np.asarray(x, float) if numbers and x.shape[-1] == self.data.y.size else None

    def some(self, size: int) -> Problem:
        """The problem of some `size` of the points, or itself where that cannot be.

        They show what is narrow; the search that they steer ends in a fit to all points.
        """
        m = self.data.y.size
        if size >= m or self.data.factor is not None or self.x is None or not self._is_pointwise():
            return self
        at = np.arange(m) if self.data.idle is None else np.flatnonzero(~self.data.idle)
        at = at[telling(self.data.y[at], size)]
        part = Problem(self.model, _taken(self.data, self._x, at), self.parameters, self.options)
        part.in_columns, part.whole = self.in_columns, self.whole
        part.deadline = self.deadline
        return part

    def _is_pointwise(self) -> bool:
        """Whether a value depends on its own point alone, as far as is seen at p0."""
        half = np.arange(0, self.data.y.size, 2)
        whole = values_or_nan(self.model, self._x, self.p0)
        part = values_or_nan(self.model, self._x[..., half], self.p0)
        return whole.size == self.data.y.size and np.array_equal(part, whole[half], equal_nan=True)

    # ------------------------------------------------------------------------------- curves

    def values(self, P: np.ndarray, x: np.ndarray | None = None) -> np.ndarray:
        """The model (k, m) at parameter vectors P (k, n), NaN where it fails.

        x: other abscissae than the data's, of the same number.

        Raises
        ------
        OutOfTime
            The deadline came, of this problem.
        """
        x = self._x if x is None else x
        self.evaluations += len(P)
        found = self._at_once(P, x) if self.in_columns and len(P) > 1 else None
        return self._one_by_one(P, x) if found is None else found

    def _at_once(self, P: np.ndarray, x) -> np.ndarray | None:
        """All curves by one call of the function; None where it is not for that."""
        same = (P[0] == P).all(axis=0)
        columns = [P[0, j].item() if same[j] else P[:, j, None] for j in range(self.n)]
        shape = len(P), self.data.y.size
        with np.errstate(all="ignore"):
            try:
                found = np.asarray(self.model.call.host(x, columns))
                found = np.broadcast_to(found, shape)
            except Exception:  # the user's function, which takes one vector at a time
                self.in_columns = False
                return None
        self._turn += 1
        i = self._turn * 7919 % len(P)
        alone = values_or_nan(self.model, x, P[i])
        if np.iscomplexobj(found) and not self.data.is_complex:
            raise TypeError(COMPLEX_MODEL)
        if found.dtype.kind not in "fiubc" or not _same(found[i], alone):
            self.in_columns = False
            return None
        return found

    def _one_by_one(self, P: np.ndarray, x) -> np.ndarray:
        """All curves by a call for each; a function that refuses a vector is asked for the next.

        So is one that has too few values there, as integrators do that break off.

        Raises
        ------
        WrongValue
            It gives a wrong number of values at all vectors.
        TypeError, OutOfTime
        """
        dtype, wrong = complex if self.data.is_complex else float, []
        out = np.full((len(P), self.data.y.size), np.nan, dtype)
        mapped = self.options.workers if len(P) > 1 else None
        f = partial(self.model.attempt, x, self.deadline)
        evaluated = (mapped if callable(mapped) else map)(f, P)
        for row, value in zip(out, evaluated, strict=True):
            interruption.check()
            if isinstance(value, Raised):
                if not value.refused:
                    raise value.error
                self.note_failure(value.told)
                continue
            try:
                row[:] = self._checked(value)
            except WrongValue as error:
                wrong.append(error)
        if wrong:
            if len(wrong) == len(P):
                raise wrong[0]
            self.note_failure(str(wrong[0]).rstrip("."), len(wrong))
        return out

    def _checked(self, value: np.ndarray) -> np.ndarray:
        """What the function gave, as a row (m,) or (1,)."""
        m, shape = self.data.y.size, self.data.x.value_shape
        if not fits(value.shape, m, shape):
            raise wrong_value(value.shape, m, shape)
        if np.iscomplexobj(value) and not self.data.is_complex:
            raise TypeError(COMPLEX_MODEL)
        return value.ravel()

    def note_failure(self, reason: str, count: int = 1) -> None:
        """Count vectors at which there is no cost."""
        self.failed += count
        self.first_failure = self.first_failure or reason

    # -------------------------------------------------------------------------------- costs

    def costs(self, P: np.ndarray) -> np.ndarray:
        """Costs (k,) at parameter vectors P (k, n), inf where there is none."""
        P = np.asarray(P, float)
        found = [self.cost_of(self.values(part) - self.data.y) for part in self.tiles(P)]
        cost = np.concatenate(found) if found else np.empty(0)
        lost = ~np.isfinite(cost)
        if lost.any():
            self.note_failure("its values are not finite", int(lost.sum()))
            cost[lost] = np.inf
        return cost

    def tiles(self, P: np.ndarray, curves: int = 1) -> Iterator[np.ndarray]:
        """P in parts of which each is evaluated in one call, `curves` for a vector."""
        width = max(1, _ELEMENTS // (self.data.y.size * curves))
        for first in range(0, len(P), width):
            interruption.check()
            yield P[first : first + width]

    def tolerance(self, cost: float) -> float:
        """The largest cost that is the same as `cost`, within what local fits leave open."""
        return cost * (1 + SAME_COST) + _NOTHING * self.data.spread()

    def cost_of(self, difference: np.ndarray) -> np.ndarray:
        """Costs (k,) of curves less the data (k, m)."""
        with np.errstate(all="ignore"):
            return self.cost_of_whitened(self.whiten(difference))

    def cost_of_whitened(self, r: np.ndarray) -> np.ndarray:
        """Costs (k,) of whitened residuals (k, m)."""
        loss = self.options.loss_function
        with np.errstate(all="ignore"):
            if loss is None:
                return 0.5 * np.einsum("km,km->k", r, r)
            rho = scale_rows(loss, self.options.f_scale, r, r[:0, None], np)[0]
            return np.asarray(rho).sum(axis=-1)

    def whiten(self, rows: np.ndarray) -> np.ndarray:
        """Rows (..., m) in units of the errors, as real numbers (..., m or 2 m)."""
        data = self.data
        if data.factor is not None:
            return np.moveaxis(_flat(data.whiten, np.moveaxis(rows, -1, 0)), 0, -1)
        if data.weights is not None:
            rows = rows * data.weights
            if data.idle is not None:
                rows = np.where(data.idle, 0.0, rows)
        if data.is_complex:
            rows = np.concatenate([rows.real, rows.imag], axis=-1)
        return rows


def telling(y: np.ndarray, size: int) -> np.ndarray:
    """Places of at most `size` values of y that show it, in order.

    Half of them are equidistant, and a quarter are the least and the largest of equal blocks. The
    rest are runs about those of them that stand out most from their blocks, so that what is too
    narrow to be met by the others is seen with its shape.
    """
    m = y.size
    if size >= m:
        return np.arange(m)
    even = _equidistant(m, size // 2)
    blocks, runs = size // 8, max(1, size // 128)
    length = m // blocks
    if np.iscomplexobj(y) or length < 3 or not np.isfinite(y).all():
        return _equidistant(m, size)
    block = y[: blocks * length].reshape(blocks, length)
    first, middle = np.arange(blocks) * length, np.median(block, axis=1)
    found = np.concatenate([first + block.argmin(axis=1), first + block.argmax(axis=1)])
    highest = np.argsort(-np.abs(y[found] - np.tile(middle, 2)), kind="stable")[:runs]
    about = np.arange(size // (4 * runs)) - size // (8 * runs)
    near = np.clip(found[highest, None] + about, 0, m - 1)
    return np.unique(np.concatenate([even, found, near.ravel()]))


def _equidistant(m: int, size: int) -> np.ndarray:
    return np.linspace(0, m - 1, min(size, m)).round().astype(int)


def _flat(whiten, columns: np.ndarray) -> np.ndarray:
    """`whiten` of columns (m, ...)."""
    found = whiten(columns.reshape(len(columns), -1))
    return found.reshape(len(found), *columns.shape[1:])


def _taken(data: Observations, x: np.ndarray, at: np.ndarray) -> Observations:
    """The data of some points."""
    from nlsq.core.model.abscissae import Abscissae

    weights = None if data.weights is None else data.weights[at]
    return Observations(Abscissae(np.ascontiguousarray(x[..., at]), at.size), data.y[at], None,
                        weights, None)  # fmt: skip


def _same(found: np.ndarray, alone: np.ndarray) -> bool:
    """Whether a curve among others is what it is alone."""
    if alone.size == 1 and np.isnan(alone).all():  # the function refuses this vector
        return False
    finite = np.isfinite(alone)
    size = np.abs(alone).max(where=finite, initial=0.0)
    with np.errstate(invalid="ignore"):  # inf - inf
        near = np.abs(found - alone) <= _SAME * size
    return bool((near | (found == alone) | (np.isnan(found) & np.isnan(alone))).all())
