"""One pass over the data by the user's own function, for fits by NumPy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from nlsq.config import double_precision
from nlsq.constants import EPS
from nlsq.core.loop.state import ITERATE, Method, state_packing, unpack_setup
from nlsq.core.loss_functions import scale_rows
from nlsq.core.model import differences, jacobians
from nlsq.core.model.abscissae import Abscissae
from nlsq.core.model.comparing import require_same
from nlsq.core.model.model import Memo, Model
from nlsq.core.passes.layout import Data, Layout
from nlsq.core.passes.reduction import Sums, sums
from nlsq.core.problem.observations import COMPLEX_MODEL, Observations
from nlsq.core.problem.options import Options
from nlsq.utils.given import fits, model_value, wrong_value

NOT_DENSE = (
    "`jac` returned a {}, which is for `least_squares` with method 'trf' or 'dogbox'. Return an "
    "array, e.g. by its .toarray()."
)


def residual(model: Model, data: Observations, p) -> np.ndarray:
    """Whitened residual at p, of a model on any road."""
    with double_precision(), np.errstate(all="ignore"):
        value = model_value(model.evaluate(data.x.given, p)).ravel()
    return data.whiten(np.broadcast_to(value, data.y.shape) - data.y).astype(float)


class Evaluations:
    """The user's functions at the user's data, each called once for a point.

    Parameters
    ----------
    repeat : bool
        Whether the function is called at its first point again, to see that it repeats itself:
        after the second point, since some functions refuse the same parameters twice in a row. Not
        where the user counts the calls by `max_nfev`.
    """

    def __init__(self, model: Model, data: Observations, repeat: bool):
        self.model, self.data, self._repeat = model, data, repeat
        self.dense_only = True
        if model.memo.x is not data.x.given:
            model.memo = Memo(data.x.given)
        self._first: tuple | None = None

    def value(self, p: np.ndarray) -> np.ndarray:
        """The model (m,) at p."""
        memo = self.model.memo
        f = memo.value(p, lambda: self._evaluated(p))
        if self._first is None:
            self._first = p.copy(), f
        elif self._repeat and not memo.repeats and not np.array_equal(p, self._first[0]):
            memo.calls, memo.repeats, (p0, f0) = memo.calls + 1, True, self._first
            self._first = ()
            require_same(self._evaluated(p0), f0)
        return f

    def _evaluated(self, p) -> np.ndarray:
        found = self.model.with_tangents(self.data.x.given, p)
        if found is None or found[0].size != self.data.y.size:
            return self._plain(p)
        key = p.tobytes()
        self.model.memo.rows = dict.fromkeys([(key, "2-point"), (key, "3-point")], found[1])
        return found[0]

    def confirms(self, p) -> bool:
        """Whether the values that were taken from dual numbers at p are the user's."""
        values = self.model.memo.values
        if (known := values.get(p.tobytes())) is None or not self.model.by_duals:
            return True
        with np.errstate(all="ignore"):
            own = values[p.tobytes()] = self._plain(p)
            return bool((own == known).all() or ((own == known) | (own != own)).all())

    def _plain(self, p) -> np.ndarray:
        model, data, m = self.model, self.data, self.data.y.size
        f = model_value(model.evaluate(data.x.given, p))
        if f.dtype == np.float64 and f.shape == (m,):  # mostly
            model.precision = EPS
            return f.copy()  # it may be a buffer that is used again
        if not fits(f.shape, m, data.x.value_shape):
            raise wrong_value(f.shape, m, data.x.value_shape)
        f = np.array(f)  # a copy: it may be a buffer that is used again
        model.precision = differences.precision(f)
        if np.iscomplexobj(f) and not np.iscomplexobj(data.y):
            raise TypeError(COMPLEX_MODEL)
        return np.broadcast_to(f, m) if f.size == 1 else f.ravel()

    def residual(self, p) -> np.ndarray:
        """Whitened residual at p."""
        return self.data.whiten(self.value(p) - self.data.y).astype(float, copy=False)

    def jacobian(self, p, scheme: str) -> Any:
        """Jacobian (m, n) of the model at p, in one of the forms of `jacobians.form`."""
        model, x = self.model, self.data.x.given

        def make():
            if scheme != "jac":
                return model.host_jacobian(x, p, self.value(p), scheme)
            return jacobians.form(model.derivative(x, p), self.data.y.size, p.size)

        return model.memo.jacobian(p, scheme, make)

    def whitened_jacobian(self, p, scheme: str) -> Any:
        """The Jacobian of the residual; sparse, or a LinearOperator, only in `least_squares`.

        Raises
        ------
        TypeError
            The user's is no array where one is needed.
        """
        J = self.jacobian(p, scheme)
        if isinstance(J, np.ndarray):
            return self.data.whiten(J).astype(float, copy=False)
        if self.dense_only:
            raise TypeError(NOT_DENSE.format(type(J).__name__))
        return J


def whole_pass(evaluations: Evaluations, options: Options, setup) -> Callable:
    """One pass over all data, State -> Sums, in NumPy."""
    reduce = make_reduce(evaluations, options.loss_function, setup)
    memo = evaluations.model.memo

    def run(state) -> Sums:
        memo.forget_others(state.point.x, state.trial)
        return reduce(state.trial, state.point.P, scheme_of(options, state))

    return run


def chunk_pass(model: Model, layout: Layout, options: Options, method: Method) -> Callable:
    """One pass over a chunk of a pointwise model, as `programs.pass_program`, in NumPy.

    Its checksum is that of the programs, since a fit may go on in them.
    """
    from nlsq.caching.programs import cache, compiled
    from nlsq.core.passes.blocks import checksum_of

    packing, loss = state_packing(method), options.loss_function

    def checked(leaves, y, weights, cholesky, places):
        return checksum_of(layout, Data(leaves, y, weights, cholesky, *places))

    checksum = cache.get_or_make(("checksum", layout), lambda: compiled(checked))

    def run(leaves, y, weights, cholesky, places, flat, vector) -> Sums:
        state, setup, (m, _) = packing.view(vector), unpack_setup(flat, method.n)[0], places
        x, own = leaves[0][..., :m], None if weights is None else weights[:m]
        chunk = Observations(Abscissae(x, m), y[:m], None, own, None)
        reduce = make_reduce(Evaluations(model, chunk, False), loss, setup)
        total = reduce(state.trial, state.point.P, scheme_of(options, state))
        return total._replace(checksum=checksum(leaves, y, weights, cholesky, places))

    return run


def scheme_of(options: Options, state) -> str:
    """The scheme of derivatives that a pass takes on the host."""
    iterating, finishing = options.schemes
    return iterating if int(state.phase) == ITERATE else finishing


def make_reduce(evaluations: Evaluations, loss: Callable | None, setup) -> Callable:
    """Return reduce(p, P, scheme) -> Sums, in NumPy.

    scheme: finite-difference scheme of this pass, or 'jac' for the user's Jacobian.
    """

    fixed = not setup.free.all()

    def reduce(p, P, scheme) -> Sums:
        p = np.asarray(p)
        with np.errstate(all="ignore"):
            r = evaluations.residual(p)
            if np.isfinite(r.dot(r)):
                JT = evaluations.whitened_jacobian(p, scheme).T
                if fixed:  # whose derivatives need not be finite
                    JT = np.where(setup.free[:, None] > 0, JT, 0.0)
            else:
                JT = np.zeros((p.size, r.size))
            costs, r, JT = scale_rows(loss, setup.f_scale, r, JT, np)
            return sums(costs, np.asarray(r), np.asarray(P).T @ np.asarray(JT), np)

    return reduce
