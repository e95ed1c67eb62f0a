"""Robust losses rho(z), z = (r / f_scale)^2, and what they do to residual and Jacobian.

The fit minimises C^2/2 sum rho(r_i^2 / C^2), C = `f_scale`. With rho' and rho'' at z, the gradient
is J^T (rho' r) and the Gauss-Newton Hessian with the second-order term of the loss is
J^T diag(rho' + 2 rho'' z) J (Triggs et al. 2000). Scaling rows

    s_i = sqrt(max(rho' + 2 rho'' z, eps)),   J_i <- s_i J_i,   r_i <- rho' / s_i r_i

keeps both, so that everything after it sees an ordinary least-squares problem. This is SciPy's
`scale_for_robust_loss_function`, and the covariance is taken from the scaled J as SciPy does.

References: B. Triggs et al., "Bundle adjustment: a modern synthesis", 2000;
P. Huber, "Robust statistics", 1981.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from nlsq.constants import EPS


def _soft_l1(z, xp):
    t = 1 + z
    return 2 * (xp.sqrt(t) - 1), 1 / xp.sqrt(t), -0.5 / (t * xp.sqrt(t))


def _huber(z, xp):
    inside = z <= 1
    root = xp.sqrt(xp.where(inside, 1.0, z))
    rho = xp.where(inside, z, 2 * root - 1)
    return rho, xp.where(inside, 1.0, 1 / root), xp.where(inside, 0.0, -0.5 / root**3)


def _cauchy(z, xp):
    t = 1 + z
    return xp.log1p(z), 1 / t, -1 / t**2


def _arctan(z, xp):
    t = 1 + z**2
    return xp.arctan(z), 1 / t, -2 * z / t**2


BUILT_IN: dict[str, Callable] = {
    "soft_l1": _soft_l1,
    "huber": _huber,
    "cauchy": _cauchy,
    "arctan": _arctan,
}
NAMES = ("linear", *BUILT_IN)


def user_loss(loss: Callable, traced: Callable[[], Callable]) -> Callable:
    """Turn a user's elementwise `loss(z)` into (rho, rho', rho'') of (z, xp).

    SciPy's form, `loss(z)` returning a (3, m) array of value and two derivatives, is used as is, in
    NumPy or `jax.numpy`. Of a loss that returns (m,) the derivatives are JAX's, by traced(), the
    loss for JAX.

    Raises
    ------
    ValueError, TypeError
        By what is returned: the loss has neither shape, or JAX cannot trace it.
    """

    def derivatives(z, xp):
        import jax
        import jax.numpy as jnp

        flat = z.reshape(-1)
        value = (loss if xp is np else traced())(flat)
        if xp is np and (kind := np.asarray(value).dtype).kind not in "biuf":
            raise TypeError(f"the loss must return numbers, it returned {kind}.")
        if np.shape(value) == (3, *flat.shape):
            return tuple(xp.asarray(part).reshape(z.shape) for part in value)
        if np.shape(value) != flat.shape:
            raise ValueError(WRONG_SHAPE.format(np.shape(value), flat.size))

        def along(h, v):
            return jax.jvp(h, (v,), (jnp.ones_like(v),))[1]

        first = lambda v: along(traced(), v)  # noqa: E731
        return tuple(part.reshape(z.shape) for part in (value, first(flat), along(first, flat)))

    return derivatives


WRONG_SHAPE = (
    "The return value of `loss` callable has wrong shape: {0} for {1} residuals. Return rho(z) "
    "({1},), or rho, rho' and rho'' (3, {1})."
)


def scale_rows(loss: Callable | None, f_scale, r, JT, xp):
    """Return (costs, r, JT) with the loss folded in; without a loss costs is None.

    r: (m,) residual. JT: (n, m) transposed Jacobian. costs: (m,), what each point contributes to
    the cost; rho(0) = 0 where r is exactly zero (padding).
    """
    if loss is None:
        return None, r, JT
    rho, rho1, rho2 = loss((r / f_scale) ** 2, xp)
    costs = 0.5 * f_scale**2 * rho
    s = xp.sqrt(xp.maximum(rho1 + 2 * rho2 * (r / f_scale) ** 2, EPS))
    return costs, r * (rho1 / s), JT * s


class LossFunctionsJIT:
    """The robust losses as compiled functions of z.

    Examples
    --------
    >>> import numpy as np
    >>> huber = LossFunctionsJIT().get_loss_function("huber")
    >>> huber(np.array([0.25, 4.0]), cost_only=True)
    array([0.25, 3.  ])
    """

    def get_loss_function(self, loss: str | Callable) -> Callable | None:
        """A function ``(z, cost_only=False)``: rho (m,), or rho, rho' and rho'' (3, m).

        Parameters
        ----------
        loss : str or callable
            A name of `NAMES`, or a user's ``loss(z)``. None is returned for 'linear'.

        Raises
        ------
        ValueError
            For a name that is none.
        """
        if loss == "linear":
            return None
        if not callable(loss) and loss not in BUILT_IN:
            raise ValueError(f"`loss` must be one of {NAMES} or a callable, got {loss!r}.")
        import jax
        import jax.numpy as jnp

        from nlsq.config import double_precision

        rho = user_loss(loss, lambda: loss) if callable(loss) else BUILT_IN[loss]
        compiled = jax.jit(lambda z: jnp.stack(jnp.broadcast_arrays(*rho(z, jnp))))

        def function(z, cost_only: bool = False) -> np.ndarray:
            with double_precision():
                values = np.asarray(compiled(np.asarray(z, float)))
            return values[0] if cost_only else values

        return function
