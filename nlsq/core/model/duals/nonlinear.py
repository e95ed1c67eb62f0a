"""The derivatives of NumPy's choices, extremes and curves, and of ufuncs that no partial describes.

Linear functions are in `functions`, products, moments and linear algebra in `products`.
"""

from __future__ import annotations

import numpy as np

from nlsq.core.model.duals.chain import chained
from nlsq.core.model.duals.dual import (
    FUNCTIONS,
    Dual,
    bared,
    duals_in,
    full,
    holds_dual,
    name_of,
    observe,
    plain,
    refuse,
)
from nlsq.core.model.duals.elementwise import THREAD, above, ratio, scaled, sinc_slope, times
from nlsq.core.model.duals.functions import result, row_of, rule, sliced

# ---- choices -------------------------------------------------------------------------------------


@rule(np.where, "condition x y")
def _where(condition, *choices):
    c = plain(condition)
    if isinstance(condition, Dual):
        observe(condition)
    if not choices:
        return np.where(c)
    x, y = choices
    ours = x.tangents if isinstance(x, Dual) else {}
    theirs = y.tangents if isinstance(y, Dual) else {}
    rows = {k: np.where(c, ours.get(k, 0.0), theirs.get(k, 0.0)) for k in {**ours, **theirs}}
    return Dual(np.where(c, plain(x), plain(y)), rows)


@rule(np.select, "condlist choicelist default", lists=True)
def _select(conditions, choices, default=0):
    value = np.select(plain(conditions), plain(choices), plain(default))
    shape = value.shape

    def row(k):
        r = full(sliced(default, k), shape)
        for c, a in reversed(list(zip(plain(conditions), choices, strict=True))):
            r = np.where(c, sliced(a, k), r)
        return r

    return result(value, [*duals_in((choices, default))], row)


@rule(np.piecewise, "x condlist funclist", lists=True)
def _piecewise(x, conditions, functions):
    values = np.asarray(plain(x))
    conditions = np.asarray(plain(conditions))
    if conditions.ndim == values.ndim and values.ndim:
        conditions = conditions[None]
    if len(functions) == len(conditions) + 1:
        conditions = np.concatenate([conditions, ~conditions.any(axis=0)[None]])
    out = Dual(np.zeros_like(values), {})
    for c, f in zip(conditions, functions, strict=True):
        if not callable(f):
            out[c] = f
        elif c.any():
            out[c] = f(x[c])
    return out


@rule(np.clip, "a a_min a_max", "", "min max")
def _clip(a, lower=None, upper=None, *, min=None, max=None):
    lower, upper = (min if lower is None else lower), (max if upper is None else upper)
    value = np.clip(plain(a), plain(lower), plain(upper))
    if isinstance(a, Dual) and not (holds_dual((lower, upper)) or np.iscomplexobj(value)):
        share, v = 1.0, a.primal
        if lower is not None:
            share, v = above(v, lower), np.maximum(v, lower)
        if upper is not None:
            share = share * above(upper, v)
        return Dual(value, THREAD.quietly(scaled, a.tangents, share, False))
    with np.errstate(all="ignore"):
        composed = a if lower is None else np.maximum(a, lower)
        composed = composed if upper is None else np.minimum(composed, upper)
    return Dual(value, composed.tangents if isinstance(composed, Dual) else {})


@rule(np.nan_to_num, "x", "copy nan posinf neginf")
def _nan_to_num(x, **settings):
    if not settings.get("copy", True):
        raise refuse("np.nan_to_num with copy=False has no derivative rule")
    finite = np.isfinite(x.primal)
    return result(
        np.nan_to_num(x.primal, **settings), [x], lambda k: np.where(finite, row_of(x, k), 0.0)
    )


def _extreme(function):
    @rule(function, "a", "axis out keepdims", "where initial")
    def answer(a, axis=None, keepdims=False, **settings):
        value = function(a.primal, axis=axis, keepdims=keepdims, **settings)
        if settings or np.iscomplexobj(value):
            raise refuse(f"{name_of(function)} of complex numbers or of parts has no rule")
        top = np.equal(a.primal, function(a.primal, axis=axis, keepdims=True))
        share = top / top.sum(axis=axis, keepdims=True)  # ties share it, as in JAX
        return result(
            value, [a], lambda k: times(row_of(a, k), share).sum(axis=axis, keepdims=keepdims)
        )


for _f in (np.max, np.min, np.nanmax, np.nanmin):
    _extreme(_f)


@rule(np.ptp, "a", "axis")
def _ptp(a, axis=None):
    with np.errstate(all="ignore"):
        rows = np.max(a, axis=axis) - np.min(a, axis=axis)
    return Dual(np.ptp(a.primal, axis=axis), rows.tangents)


@rule(np.sort, "a", "axis kind order", "stable")
def _sort(a, axis=-1, **settings):
    order = np.argsort(a.primal, axis=axis, kind="stable")
    value = np.sort(a.primal, axis=axis, **settings)
    return result(value, [a], lambda k: np.take_along_axis(row_of(a, k), order, axis))


@rule(np.median, "a", "axis")
def _median(a, axis=None):
    value = np.median(a.primal, axis=axis)
    parts = np.sort(np.ravel(a) if axis is None else np.moveaxis(a, axis, 0), axis=0)
    m = len(parts)
    with np.errstate(all="ignore"):
        middle = 0.5 * (parts[(m - 1) // 2] + parts[m // 2])
    return Dual(value, middle.tangents)


# ---- curves --------------------------------------------------------------------------------------


@rule(np.interp, "x xp fp", "left right period")
def _interp(x, xp, fp, left=None, right=None, period=None):
    if period is not None:
        raise refuse("np.interp with a period has no derivative rule")
    at, knots, heights = plain(x), np.asarray(plain(xp)), np.asarray(plain(fp))
    value = np.interp(at, knots, heights, left, right)
    i = np.clip(np.searchsorted(knots, at, side="right") - 1, 0, len(knots) - 2)
    with np.errstate(all="ignore"):
        slope = (heights[i + 1] - heights[i]) / (knots[i + 1] - knots[i])
    slope = np.where((at >= knots[0]) & (at <= knots[-1]), slope, 0.0)
    ends = {"left": None if left is None else 0.0, "right": None if right is None else 0.0}

    def row(k):
        r = 0.0
        if isinstance(x, Dual) and k in x.tangents:
            r = times(row_of(x, k), slope)
        if (t := row_of(xp, k)) is not None:
            r = r - times(np.interp(at, knots, t), slope)
        if (t := row_of(fp, k)) is not None:
            r = r + np.interp(at, knots, t, **ends)
        return r

    return result(value, [*duals_in((x, xp, fp))], row)


@rule(np.polyval, "p x", lists=True)
def _polyval(p, x):
    y = np.zeros_like(x)
    for coefficient in p:
        y = y * x + coefficient
    return y


@rule(np.vander, "x", "N increasing")
def _vander(x, N=None, increasing=False):
    value = np.vander(x.primal, N, increasing)
    powers = np.arange(value.shape[1], dtype=float)
    powers = powers if increasing else powers[::-1]
    slope = times(powers, x.primal[:, None] ** (powers - 1))
    return result(value, [x], lambda k: times(row_of(x, k)[:, None], slope))


@rule(np.gradient)
def _gradient(f, *spacings, axis=None, edge_order=1):
    spacings = [bared(h) for h in spacings]
    if holds_dual(spacings) or not isinstance(f, Dual):
        raise refuse("np.gradient with dual spacings has no derivative rule")
    settings = {"axis": axis, "edge_order": edge_order}
    value = np.gradient(f.primal, *spacings, **settings)
    if isinstance(value, (list, tuple)):
        raise refuse("np.gradient along several axes has no derivative rule")
    return result(value, [f], lambda k: np.gradient(row_of(f, k), *spacings, **settings))


@rule(np.pad, "array", "pad_width mode", "constant_values")
def _pad(array, pad_width, mode="constant", **settings):
    if mode not in ("constant", "edge", "wrap", "reflect", "symmetric"):
        raise refuse(f"np.pad with mode={mode!r} has no derivative rule")
    return result(
        np.pad(array.primal, pad_width, mode, **settings),
        [array],
        lambda k: np.pad(row_of(array, k), pad_width, mode),
    )


@rule(np.unwrap, "p", "discont axis", "period")
def _unwrap(p, *args, **settings):
    return result(np.unwrap(p.primal, *args, **settings), [p], lambda k: row_of(p, k))


def _pointwise(function, slope):
    @rule(function, "x")
    def answer(x):
        value = function(x.primal)
        return chained(function, value, (x,), [x.primal], (slope,))


def _i0_slope(x, z):
    from scipy.special import i1

    return i1(x)


_pointwise(np.sinc, lambda x, z: sinc_slope(np.asarray(x)))
_pointwise(np.i0, _i0_slope)


# ---- ufuncs that no partial describes ------------------------------------------------------------


@rule(np.absolute)
def _absolute(z):
    value = np.absolute(z.primal)
    if not np.iscomplexobj(z.primal):
        return Dual(value, THREAD.quietly(scaled, z.tangents, np.sign(z.primal), False))
    return result(value, [z], lambda k: ratio(np.real(np.conj(z.primal) * sliced(z, k)), value))


@rule(np.angle, "z", "deg")
def _angle(z, deg=False):
    v = z.primal
    unit = 180 / np.pi if deg else 1.0
    size = np.abs(v)

    def row(k):
        return unit * np.imag(np.conj(v) / size * sliced(z, k) / size)

    return result(np.angle(v, deg), [z], row)


@rule(np.divmod)
def _divmod(x, y):
    whole, rest = divmod(plain(x), plain(y))
    with np.errstate(all="ignore"):
        remainder = np.remainder(x, y)
    for a in duals_in((x, y)):
        observe(a)
    return whole, Dual(rest, remainder.tangents)


@rule(np.modf)
def _modf(x):
    fraction, whole = np.modf(x.primal)
    return result(fraction, [x], lambda k: row_of(x, k)), whole


@rule(np.round, "a", "decimals out")
@rule(np.around, "a", "decimals out")
def _round(a, decimals=0):
    if decimals > 0:
        raise refuse("np.round to some digits has no derivative rule")
    observe(a)
    return np.round(a.primal, decimals)


@rule(np.logspace, "start stop", "num endpoint base")
def _logspace(start, stop, num=50, endpoint=True, base=10.0):
    value = np.logspace(plain(start), plain(stop), num, endpoint, base)
    with np.errstate(all="ignore"):
        return Dual(value, (base ** np.linspace(start, stop, num, endpoint)).tangents)


@rule(np.copyto)
def _copyto(dst, src, casting="same_kind", where=True):
    if not isinstance(dst, Dual) or casting != "same_kind":
        raise refuse("np.copyto of a parameter into a plain array drops the derivative")
    if where is True:
        dst[...] = src
    else:
        dst[...] = np.where(where, src, dst)


# ---- new arrays of a dual array's kind, which may be filled with dual numbers --------------------


def _filled(function):
    @rule(function)
    def answer(a, *args, dtype=None, **settings):
        fill = settings["fill_value"] if "fill_value" in settings else (*args, 0.0)[0]
        if holds_dual(a) and not isinstance(a, Dual):
            raise refuse(f"{name_of(function)} of a list of dual numbers has no derivative rule")
        settings = {k: plain(v) for k, v in settings.items()}
        value = function(plain(a), *map(plain, args), dtype=dtype, **settings)
        if not holds_dual(fill):
            return Dual(value, {}) if value.dtype.kind in "fc" else value
        if not isinstance(fill, Dual) or value.dtype.kind not in "fc":
            raise refuse(f"{name_of(function)} of this type or of lists has no derivative rule")
        return Dual(value, fill.tangents)


for _f in (np.zeros_like, np.ones_like, np.empty_like, np.full_like):
    _filled(_f)


# ---- reductions of ufuncs ------------------------------------------------------------------------


def _reduction(function):
    def answer(a, axis=0, dtype=None, **settings):
        settings = {k: v for k, v in settings.items() if k == "keepdims" or v is not None}
        return function(a, axis=axis, dtype=dtype, **settings)

    return answer


FUNCTIONS[np.add, "reduce"] = _reduction(np.sum)
FUNCTIONS[np.add, "accumulate"] = _reduction(np.cumsum)
FUNCTIONS[np.multiply, "reduce"] = _reduction(np.prod)
FUNCTIONS[np.multiply, "accumulate"] = _reduction(np.cumprod)


def _accumulated(function):
    """maximum.accumulate and minimum.accumulate: each entry is an earlier one."""

    def answer(a, axis=0):
        value = function.accumulate(a.primal, axis)
        places = np.expand_dims(np.arange(value.shape[axis]), tuple(range(1, value.ndim)))
        places = np.where(a.primal == value, np.moveaxis(places, 0, axis), 0)
        places = np.maximum.accumulate(places, axis)
        return result(value, [a], lambda k: np.take_along_axis(row_of(a, k), places, axis))

    return answer


FUNCTIONS[np.maximum, "accumulate"] = _accumulated(np.maximum)
FUNCTIONS[np.minimum, "accumulate"] = _accumulated(np.minimum)
FUNCTIONS[np.maximum, "reduce"] = lambda a, axis=0, keepdims=False: np.max(a, axis, None, keepdims)
FUNCTIONS[np.minimum, "reduce"] = lambda a, axis=0, keepdims=False: np.min(a, axis, None, keepdims)
