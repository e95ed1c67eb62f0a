"""The model's value and its derivatives by all parameters, in a call of the model."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable

import numpy as np

from nlsq.core.model.duals import methods  # noqa: F401 (the rules and methods of arrays)
from nlsq.core.model.duals.dual import DUALS, Dual, Evaluation, lifted, refuse
from nlsq.core.model.duals.elementwise import CAREFUL, ONE, THREAD, probed

DOUBLE = np.dtype(float)
SERIAL = itertools.count(0, 2**32)  # the first key of each evaluation
# so many operations on single numbers, and so many more for each parameter, may a model do
SCALARS, SCALARS_EACH = 64, 16


def value_and_tangents(f: Callable, x, p) -> tuple[np.ndarray, np.ndarray]:
    """f(x, params) at p, and its derivatives by the parameters.

    Parameters
    ----------
    f : callable
        Called as ``f(x, params)`` with x as it is and params a list of n dual numbers: once, and
        once more where an overflow would leave a derivative undetermined.
    x : Any
        The independent variable.
    p : array_like, shape (n,) or (n, ...)
        The parameters; arrays, where f is to be evaluated at many sets of them at once.

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
    Dearer
        A NoRule: differences cost less.

    Examples
    --------
    >>> value, JT = value_and_tangents(lambda x, p: p[0] * np.exp(-x), np.zeros(3), [2.0])
    >>> JT
    array([[1., 1., 1.]])
    """
    p = np.asarray(p, float)
    p = p.tolist() if p.ndim == 1 else list(p)
    value, JT = _evaluated(f, x, p)
    probe = THREAD.quietly(probed, JT)
    if probe != probe and (np.isnan(JT) & ~np.isnan(value)).any():  # 0 * inf, after an overflow
        careful = {threading.get_ident()} - CAREFUL
        CAREFUL.update(careful)
        try:
            with np.errstate(all="ignore"):  # the model has said it before
                return _evaluated(f, x, p)
        finally:
            CAREFUL.difference_update(careful)
    return value, JT


def _evaluated(f, x, p):
    start = next(SERIAL)
    keys = range(start, start + len(p))  # no other evaluation has them: a leftover is recognised
    with Evaluation(SCALARS + SCALARS_EACH * len(p)) as evaluation:
        result = f(x, [Dual(np.float64(v), {k: ONE}) for v, k in zip(p, keys, strict=True)])
        if type(result) not in DUALS:
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
    dtype = DOUBLE if value.dtype is DOUBLE else np.result_type(value.dtype, DOUBLE)
    JT = np.zeros((len(keys), *value.shape), dtype)
    for k, t in rows.items():
        if k in keys:
            JT[k - keys.start] = t
        elif np.any(t):
            raise refuse("the model keeps dual numbers from one call to the next (or nests fits)")
    return JT
