"""The model's value and its derivatives by all parameters, in one call of the model."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from nlsq.core.model.duals import methods  # noqa: F401 (the rules and methods of arrays)
from nlsq.core.model.duals.dual import Dual, Evaluation, lifted, refuse
from nlsq.core.model.duals.elementwise import ONE


def value_and_tangents(f: Callable, x, p) -> tuple[np.ndarray, np.ndarray]:
    """f(x, params) at p, and its derivatives by the parameters.

    Parameters
    ----------
    f : callable
        Called once, as ``f(x, params)`` with x as it is and params a list of n dual numbers.
    x : Any
        The independent variable.
    p : array_like, shape (n,)
        The parameters.

    Returns
    -------
    value : ndarray
        What f gives for parameters that are plain doubles, bit by bit.
    JT : ndarray, shape (n, *value.shape)
        The derivatives, in double precision or better.

    Raises
    ------
    NoRule
        The model uses something that has no derivative rule, or would drop the derivative.

    Examples
    --------
    >>> value, JT = value_and_tangents(lambda x, p: p[0] * np.exp(-x), np.zeros(3), [2.0])
    >>> JT
    array([[1., 1., 1.]])
    """
    p = np.asarray(p, float)
    keys = [object() for _ in p]  # no other evaluation has them: a leftover of one is recognised
    with Evaluation() as evaluation:
        result = f(x, [Dual(v, {k: ONE}) for v, k in zip(p, keys, strict=True)])
        if isinstance(result, (list, tuple)):
            result = lifted(result)
        if not isinstance(result, Dual):
            result = Dual(np.asarray(result), {})
        value = np.asarray(result.primal)
        if value.dtype.kind not in "biufc":
            raise refuse(f"an array of {value.dtype} as the model's value has no derivative rule")
        JT = _stacked(value, result.tangents, keys)
        for j, k in enumerate(keys if evaluation.observed else ()):
            if k in evaluation.observed and not JT[j].any():
                raise refuse(f"parameter {j} acts only by comparisons (a root found by halving?)")
        return value, JT


def _stacked(value, rows, keys) -> np.ndarray:
    wide = np.float64 if value.dtype == np.float64 else np.result_type(value.dtype, np.float64)
    JT = np.zeros((len(keys), *value.shape), wide)
    found = 0
    for j, k in enumerate(keys):
        if k in rows:
            JT[j] = rows[k]
            found += 1
    if found < len(rows):
        raise refuse("the model keeps dual numbers from one call to the next (or nests fits)")
    return JT
