"""Derivatives of functions that nobody differentiated: by the complex step, or by differences."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

# what the caller's function raises where it takes real numbers alone
_REAL_ONLY = (ArithmeticError, AttributeError, RuntimeError, TypeError, ValueError)
# Steps tried for each argument, as shares of its scale: wide for a smooth function, narrow for a
# peak whose position is far larger than its width.
_STEPS = 1e-2 / 30.0 ** np.arange(6)
_COMPLEX_STEP = 1e-30  # the error is its square
_SAME = 1e-6  # differences agree with a derivative that is right to this share of it ...
_ROUNDING = 1e-3  # ... and, by what rounding leaves of it, to this times that of f / scale


def gradient(f: Callable, p: np.ndarray, natural: np.ndarray) -> np.ndarray:
    """Derivatives of f by each of its arguments.

    The complex step gives them to the last digits, where `f` takes complex numbers and differences
    confirm what it gives; an ``abs``, say, would drop the derivative. Elsewhere they are those
    differences (see `difference`), good to some ten digits.

    Parameters
    ----------
    f : callable
        ``f(p)`` -> (k,).
    p : ndarray, shape (n,)
    natural : ndarray, shape (n,)
        Scale of an argument that is zero; what is not positive and finite counts as 1.

    Returns
    -------
    ndarray, shape (k, n)

    Examples
    --------
    >>> gradient(lambda p: np.exp(p[:1] * p[1]), np.array([0.0, 2.0]), np.ones(2))
    array([[2., 0.]])
    """
    G = np.empty((np.size(f(p)), len(p)))
    for i in range(len(p)):
        G[:, i] = _derivative(f, p, i, scale_of(p[i], natural[i]))
    return G


def scale_of(value: float, natural: float) -> float:
    """The size of an argument, and for zero the natural one."""
    return abs(value) or (10.0 * natural if 0 < natural < np.inf else 1.0)


def _derivative(f: Callable, p: np.ndarray, i: int, scale: float) -> np.ndarray:
    differences = difference(f, p, i, scale)
    q = p.astype(complex)
    q[i] += 1j * _COMPLEX_STEP * scale
    try:
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore", np.exceptions.ComplexWarning)
            exact = np.imag(f(q)) / (_COMPLEX_STEP * scale)
    except _REAL_ONLY:
        return differences
    if exact.shape != differences.shape:
        return differences
    size = np.maximum(np.abs(exact), np.abs(differences)) + _ROUNDING * np.abs(f(p)) / scale
    return np.where(np.abs(exact - differences) <= _SAME * size, exact, differences)


def difference(f: Callable, p: np.ndarray, i: int, scale: float) -> np.ndarray:
    """Fourth-order central difference of f by its argument i.

    Of several steps, shares of `scale`, it takes the one with the least error: what truncation
    leaves is about the square of its relative distance to the second-order difference from the
    same points, what rounding leaves about that of f over the step.
    """
    best, least = None, np.inf
    for share in _STEPS:
        h = (p[i] + share * scale) - p[i]  # a step that the floating-point numbers can make
        fourth, second, rounding = _differences(f, p, i, h)
        size = np.abs(fourth).max(initial=0.0)
        gap = np.abs(fourth - second).max(initial=0.0)
        error = (gap / size) ** 2 + rounding / size if size > 0 else np.inf
        if best is None or error < least:
            best, least = fourth, error
    return best


def _differences(f: Callable, p: np.ndarray, i: int, h: float) -> tuple[Any, Any, float]:
    """Central differences of fourth and second order, and what rounding leaves of them."""
    shifted = []
    for k in (-2, -1, 1, 2):
        q = np.array(p, dtype=float)
        q[i] += k * h
        with np.errstate(all="ignore"):  # a wide step may leave the domain
            shifted.append(np.asarray(f(q)))
    a, b, c, d = shifted
    rounding = np.finfo(float).eps * np.abs(shifted).max(initial=0.0) / h
    with np.errstate(invalid="ignore"):
        return (8.0 * (c - b) - (d - a)) / (12.0 * h), (c - b) / (2.0 * h), rounding
