"""One pass over the data on the host, for models that cannot be traced."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from nlsq.core import differences
from nlsq.core.believing import require_same
from nlsq.core.given import fits, model_value, wrong_value
from nlsq.core.loss_functions import scale_rows
from nlsq.core.model import Model
from nlsq.core.problem import COMPLEX_MODEL, Observations
from nlsq.core.reduction import Sums, sums


class JacobianShapeError(TypeError, ValueError):
    """The user's `jac` has the wrong shape; SciPy's methods disagree on the type to raise."""


def make_reduce(model: Model, data: Observations, loss: Callable | None, setup) -> Callable:
    """Return reduce(p, P, scheme) -> Sums, in NumPy.

    scheme: finite-difference scheme of this pass, or 'jac' for the user's Jacobian.
    """
    m = data.y.size
    x = data.x.given
    known_to_repeat = False

    def value(p):
        nonlocal known_to_repeat
        f = model_value(model.evaluate(x, p))
        if not fits(f.shape, m, data.x.value_shape):
            raise wrong_value(f.shape, m, data.x.value_shape)
        f = np.array(f)  # a copy: it may be a buffer that is used again
        if not known_to_repeat:
            require_same(np.array(model.evaluate(x, p)).ravel(), f.ravel())
            known_to_repeat = True
        model.precision = differences.precision(f)
        if np.iscomplexobj(f) and not np.iscomplexobj(data.y):
            raise TypeError(COMPLEX_MODEL)
        return np.broadcast_to(f, m) if f.size == 1 else f.ravel()

    def rows(p, f, scheme):
        if scheme != "jac":
            return model.host_rows(x, p, f, scheme)
        J = np.asarray(model.jac(x, *p))
        if J.shape != (m, p.size):
            raise JacobianShapeError(
                f"`jac` must return an array of shape ({m}, {p.size}), one column per parameter; "
                f"got {J.shape}."
            )
        return J.T

    def reduce(p, P, scheme) -> Sums:
        p = np.asarray(p)
        with np.errstate(all="ignore"):
            f = value(p)
            r = data.whiten(f - data.y).astype(float)
            JT = rows(p, f, scheme) if np.isfinite(r).all() else np.zeros((p.size, m))
            JT = data.whiten(JT.T).T.astype(float) * setup.free[:, None]
            costs, r, JT = scale_rows(loss, setup.f_scale, r, JT, np)
            return sums(costs, np.asarray(r), np.asarray(P).T @ np.asarray(JT), np)

    return reduce
