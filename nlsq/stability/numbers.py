"""What the guard computes with: conditions, correlations, solutions, saturating functions."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

CONDITION = 1e12  # from which on a matrix is singular for practical purposes
SVD_ELEMENTS = 10_000_000  # of a matrix, above which LAPACK's decomposition is not asked for
TIKHONOV = 1e-10  # share of a matrix's diagonal that is added to it
_SCREEN = 1e-10  # least eigenvalue of a Gram matrix of unit vectors with digits left
_TINY, _HUGE = float(np.finfo(float).tiny), float(np.finfo(float).max)
_LOWEST, _HIGHEST = math.log(_TINY), math.log(_HUGE)


def null_direction(unit: np.ndarray, svd: bool = True) -> tuple[float, np.ndarray]:
    """(condition, direction (n,) of the least singular value) of unit vectors (n, m) as columns.

    The singular values tell, and the Gram matrix where it has digits left, up to 1e5.
    svd: False: none are computed, and a condition beyond 1e7 is infinite.
    """
    values, vectors = np.linalg.eigh(unit @ unit.T)
    least, most = values.item(0), values.item(-1)
    if least > _SCREEN or not svd:
        return (math.sqrt(most / least) if least > 1e-14 * len(unit) else math.inf), vectors[:, 0]
    U, S, _ = np.linalg.svd(unit, full_matrices=False)
    if len(S) < len(unit):  # fewer points than parameters
        return math.inf, vectors[:, 0]
    return (float(S[0] / S[-1]) if S[-1] > 0 else math.inf), U[:, -1]


def estimate_condition_number(xdata: Any) -> float:
    """Condition of a straight line, or plane, in x (m,) or (k, m): of 1 and x, scaled to length 1.

    Examples
    --------
    >>> round(estimate_condition_number([-1, 0, 1])), round(estimate_condition_number([2020, 2021]))
    (1, 8082)
    """
    x = np.atleast_2d(np.asarray(xdata, float))
    rows = np.vstack([np.ones(x.shape[-1]), x])
    lengths = SafeFunctions.safe_norm(rows, axis=1)
    return null_direction(rows / lengths[:, None])[0] if lengths.all() else math.inf


def detect_collinearity(
    xdata: Any, threshold: float = 0.95
) -> tuple[bool, list[tuple[int, int, float]]]:
    """(whether some are, [(i, j, r)]): coordinates of x (k, m) of correlation abs(r) > `threshold`.

    A coordinate that is constant has none.

    Examples
    --------
    >>> detect_collinearity([[1, 2, 3], [2, 4, 6], [1, 0, 1]])
    (True, [(0, 1, 1.0)])
    """
    x = np.atleast_2d(np.asarray(xdata, float))
    about = x - x.mean(axis=1, keepdims=True)
    lengths = SafeFunctions.safe_norm(about, axis=1)
    varying = lengths > 1e-14 * np.abs(x).max(axis=1) * math.sqrt(x.shape[1])
    unit = np.where(varying[:, None], about / np.where(varying, lengths, 1.0)[:, None], 0.0)
    R = np.clip(unit @ unit.T, -1, 1)
    pairs = np.argwhere(np.triu(np.abs(R) > threshold, 1)).tolist()
    return bool(pairs), [(i, j, round(float(R[i, j]), 15)) for i, j in pairs]


def detect_parameter_scale_mismatch(p0: Any, threshold: float = 1e6) -> tuple[bool, float]:
    """(whether it is, ratio): largest over smallest size of starts that are not 0.

    Examples
    --------
    >>> detect_parameter_scale_mismatch([0.25, 0.0, 1e9])
    (True, 4000000000.0)
    """
    sizes = [abs(p) for p in np.ravel(p0).tolist() if p and math.isfinite(p)]
    ratio = max(sizes) / min(sizes) if sizes else 1.0
    return ratio > threshold, float(ratio)


def solve_with_cholesky_fallback(A: Any, b: Any) -> np.ndarray:
    """x (n,) of A x = b for a symmetric A (n, n), whatever its signs and its rank.

    By Cholesky where all pivots are large; else by eigenvalues w, of a singular A by Tikhonov's
    w / (w**2 + s**2) in the place of 1 / w, which leaves null directions at 0.

    Examples
    --------
    >>> solve_with_cholesky_fallback([[1.0, 1.0], [1.0, 1.0]], [2.0, 2.0]).round(6)
    array([1., 1.])
    """
    A, b = np.asarray(A, float), np.asarray(b, float)
    try:
        L = np.linalg.cholesky(A)
        if L.diagonal().min() > L.diagonal().max() / math.sqrt(CONDITION):
            return np.linalg.solve(L.T, np.linalg.solve(L, b))
    except np.linalg.LinAlgError:
        pass
    w, V = np.linalg.eigh(A)
    size = np.abs(w).max()
    s = TIKHONOV * (size or 1.0) if np.abs(w).min() <= size / CONDITION else 0.0
    return V @ ((V.T @ b) * (w / (w**2 + s**2)))


def with_factor(K: np.ndarray) -> tuple[np.ndarray, float]:
    """(K + s I, s): s is 0 where K has a Cholesky factor, else `TIKHONOV` of its mean diagonal.

    A LinAlgError says that this is not enough.
    """
    try:
        np.linalg.cholesky(K)
    except np.linalg.LinAlgError:
        added = TIKHONOV * float(np.abs(np.diagonal(K)).mean())
        K = K + added * np.eye(len(K))
        np.linalg.cholesky(K)
        return K, added
    return K, 0.0


class SafeFunctions:
    """Functions that saturate at the largest or smallest number where NumPy's overflow or are NaN.

    In a model they keep a far start finite. Inside the domain each but the power, which is made of
    exp and log, is NumPy's function.

    Examples
    --------
    >>> float(SafeFunctions.safe_exp(1e6)) < np.inf, float(SafeFunctions.safe_sqrt(-1.0))
    (True, 0.0)
    """

    @staticmethod
    def safe_exp(x: Any) -> Any:
        """exp(x), of x between the logarithms of the smallest and the largest number."""
        return np.exp(np.clip(x, _LOWEST, _HIGHEST))

    @staticmethod
    def safe_log(x: Any) -> Any:
        """log(x), of x that is the smallest positive number at least."""
        return np.log(np.clip(x, _TINY, None))

    @staticmethod
    def safe_sqrt(x: Any) -> Any:
        """sqrt(x), 0 for a negative x."""
        return np.sqrt(np.clip(x, 0.0, None))

    @staticmethod
    def safe_power(base: Any, exponent: Any) -> Any:
        """base ** exponent by exponential and logarithm: of a positive base, and finite."""
        return SafeFunctions.safe_exp(exponent * SafeFunctions.safe_log(base))

    @staticmethod
    def safe_divide(numerator: Any, denominator: Any) -> Any:
        """numerator / denominator, the latter away from 0 by the smallest number, sign kept."""
        away = np.where(np.asarray(denominator) < 0, -_TINY, _TINY)
        near = np.abs(denominator) < _TINY
        with np.errstate(over="ignore"):
            return np.clip(numerator / np.where(near, away, denominator), -_HUGE, _HUGE)

    @staticmethod
    def safe_norm(x: Any, ord: Any = 2, axis: int | None = None) -> Any:
        """`numpy.linalg.norm` without overflow and underflow of squares."""
        x = np.asarray(x, float)
        size = np.abs(x).max(axis=axis, keepdims=axis is not None, initial=0.0)
        unit = np.where(np.isfinite(size) & (size > 0), size, 1.0)
        length = np.linalg.norm(x / unit, ord, axis=axis)
        return length * (unit if axis is None else np.squeeze(unit, axis))

    @staticmethod
    def regularize_hessian(H: Any, min_eigenvalue: float = 1e-8) -> np.ndarray:
        """Symmetric H (n, n) with eigenvalues of `min_eigenvalue` of the largest at least."""
        H = np.asarray(H, float)
        w, V = np.linalg.eigh(0.5 * (H + H.T))
        floor = min_eigenvalue * (np.abs(w).max(initial=0.0) or 1.0)
        return (V * np.maximum(w, floor)) @ V.T
