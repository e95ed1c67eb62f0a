"""`InputValidator`: the data of a fit, checked as SciPy does and laid out."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from nlsq.utils.given import (
    ONE_THREAD,
    apply_nan_policy,
    hidden_points,
    numeric,
    require_finite,
    spread,
)

_LARGEST_COPY = 1 << 22  # bytes


class PreprocessedData(NamedTuple):
    """Checked data of one fit, in memory.

    Attributes
    ----------
    xdata : object
        What the model is called with; without the points that were omitted.
    ydata : ndarray, shape (m,), float or complex
    sigma : None, scalar, (m,) or (m, m)
        As it was given, for the points that are left.
    weights : ndarray (m,) or None
        1 / sigma.
    factor : ndarray (m, m) or None
        Lower Cholesky factor of a covariance `sigma`.
    idle : ndarray of bool (m,) or None
        True for the points of weight 0, which no sum and no count contains; None for no such point.
    shape : tuple of int
        Of the ydata that were given, () when points were omitted.
    """

    xdata: Any
    ydata: np.ndarray
    sigma: Any
    weights: np.ndarray | None
    factor: np.ndarray | None
    idle: np.ndarray | None
    shape: tuple[int, ...]

    @property
    def n_points(self) -> int:
        """Number of points, those of weight 0 among them."""
        return self.ydata.size


class InputValidator:
    """Checks data as `scipy.optimize.curve_fit` does, with messages that say what to do.

    Omits what is to be omitted, and turns sigma into weights.

    Parameters
    ----------
    check_finite, nan_policy
        As in `nlsq.curve_fit`.

    Examples
    --------
    >>> data = InputValidator(nan_policy="omit").validate([0, 1, 2], [1.0, float("nan"), 3.0])
    >>> data.n_points, data.xdata
    (2, array([0., 2.]))
    """

    __slots__ = ("check_finite", "nan_policy")

    def __init__(self, check_finite: bool | None = None, nan_policy: str | None = None):
        self.check_finite = nan_policy is None if check_finite is None else check_finite
        self.nan_policy = nan_policy

    def validate(self, xdata: Any, ydata: Any, sigma: Any = None) -> PreprocessedData:
        """The data of a fit.

        Raises
        ------
        ValueError
            Empty, not finite, mismatched, or `sigma` of the wrong shape or sign.
        TypeError
            Data that are not numbers.
        """
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
        if not self.check_finite and self.nan_policy is not None:
            bad, xdata = apply_nan_policy(xdata, y.reshape(shape), self.nan_policy, hidden)
            if bad is not None:
                y, sigma, shape = y[~bad], _without(sigma, bad), ()
        sigma = _own(sigma)
        weights, factor = _parse_sigma(sigma, y.size)
        idle = None if weights is None or weights.all() else weights == 0
        if idle is not None and idle.all():
            raise TypeError("No point is left: every one is masked or has an infinite sigma.")
        data = PreprocessedData(xdata, y, sigma, weights, factor, idle, shape)
        if self.check_finite:
            _require_finite_data(data, hidden, shape)
        return data


def _require_finite_data(data: PreprocessedData, hidden: np.ndarray | None, shape: tuple) -> None:
    """SciPy's ValueError for a NaN or inf, but in masked points."""
    x, y = data.xdata, data.ydata
    # of more points the first pass tells, at no cost (`finished.check_start`)
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
