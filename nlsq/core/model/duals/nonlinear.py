"""The derivatives of NumPy's array functions that are not linear, and of the ufuncs that need more
than a partial for each argument; then the methods of dual arrays, which are these functions."""

from __future__ import annotations

import numpy as np

from nlsq.core.model.duals.chain import chained
from nlsq.core.model.duals.dual import (
    FUNCTIONS,
    Dual,
    duals_in,
    full,
    holds_dual,
    lifted,
    name_of,
    observe,
    plain,
    refuse,
)
from nlsq.core.model.duals.elementwise import ratio, sinc_slope, times
from nlsq.core.model.duals.functions import lifting, register, result, row_of, tangent_of


def rule(function, arrays=None, positional="", keywords="", lists=False):
    """A decorator: the function below answers for the NumPy function; see `register`.

    arrays: None when it checks its arguments itself. lists: it takes lists of dual numbers as such.
    """

    def decorate(answer):
        if arrays is None:
            FUNCTIONS[function] = answer
        else:
            ready = answer if lists else lifting(answer)
            register(ready, function, arrays.split(), positional.split(), keywords.split())
        return answer

    return decorate


def sliced(a, k):
    """The tangent of a by k for arithmetic: any shape that broadcasts to a's."""
    return a.tangents.get(k, 0.0) if isinstance(a, Dual) else 0.0


# ---- choices -------------------------------------------------------------------------------------


@rule(np.where, "condition x y")
def _where(condition, *choices):
    c = plain(condition)
    if isinstance(condition, Dual):
        observe(condition)
    if not choices:
        return np.where(c)
    x, y = choices
    value = np.where(c, plain(x), plain(y))
    return result(value, [*duals_in((x, y))], lambda k: np.where(c, sliced(x, k), sliced(y, k)))


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


# ---- products, moments, norms --------------------------------------------------------------------


@rule(np.cumprod, "a", "axis dtype out")
def _cumprod(a, axis=None, **settings):
    value = np.cumprod(a.primal, axis=axis, **settings)
    if np.size(value) == 0:
        return value
    v = np.ravel(a.primal) if axis is None else np.moveaxis(a.primal, axis, 0)

    def row(k):
        t = row_of(a, k)
        t = np.ravel(t) if axis is None else np.moveaxis(t, axis, 0)
        product, slope, slopes = np.ones_like(v[0]), np.zeros_like(t[0]), np.empty_like(t)
        for i in range(len(v)):  # the product rule step by step: a factor may be 0
            slope = times(slope, v[i]) + times(t[i], product)
            product = product * v[i]
            slopes[i] = slope
        return slopes if axis is None else np.moveaxis(slopes, 0, axis)

    return result(value, [a], row)


@rule(np.prod, "a", "axis dtype out", "keepdims")
def _prod(a, axis=None, keepdims=False, **settings):
    value = np.prod(a.primal, axis=axis, keepdims=keepdims, **settings)
    if isinstance(axis, tuple) or np.size(a.primal) == 0:
        raise refuse("np.prod over several axes has no derivative rule")
    with np.errstate(all="ignore"):
        last = np.take(np.cumprod(a, axis=axis), -1, axis=0 if axis is None else axis)
    return Dual(value, {k: np.reshape(t, np.shape(value)) for k, t in last.tangents.items()})


def _moment(function):
    @rule(function, "a", "axis dtype out ddof keepdims")
    def answer(a, axis=None, ddof=0, keepdims=False, **settings):
        if settings or np.iscomplexobj(a.primal):
            raise refuse(f"{name_of(function)} with a dtype or of complex numbers has no rule")
        value = function(a.primal, axis=axis, ddof=ddof, keepdims=keepdims)
        v = a.primal - np.mean(a.primal, axis=axis, keepdims=True)
        count = v.size // max(np.size(value), 1) - ddof

        def row(k):
            slope = np.sum(row_of(a, k) * v, axis=axis, keepdims=keepdims) / count
            return 2 * slope if function is np.var else ratio(slope, value)

        return result(value, [a], row)


_moment(np.var)
_moment(np.std)


@rule(np.average, "a", "axis weights", "keepdims")
def _average(a, axis=None, weights=None, keepdims=False):
    settings = {"axis": axis, "weights": weights, "keepdims": keepdims}
    return result(
        np.average(a.primal, **settings), [a], lambda k: np.average(row_of(a, k), **settings)
    )


@rule(np.linalg.norm, "x", "ord axis keepdims")
def _norm(x, ord=None, axis=None, keepdims=False):
    value = np.linalg.norm(x.primal, ord, axis, keepdims)
    vector = x.primal.ndim == 1 or axis is None or np.ndim(axis) == 0
    if not (ord is None or (ord == 2 and vector and (x.primal.ndim == 1 or axis is not None))):
        raise refuse(f"np.linalg.norm with ord={ord!r} has no derivative rule")

    def row(k):
        products = np.real(np.conj(x.primal) * row_of(x, k))
        return ratio(np.sum(products, axis=axis, keepdims=keepdims), value)

    return result(value, [x], row)


# ---- linear algebra ------------------------------------------------------------------------------


@rule(np.linalg.solve, "a b")
def _solve(a, b):
    matrix, right = plain(a), plain(b)
    value = np.linalg.solve(matrix, right)
    vector = np.ndim(right) == 1

    def columns(t):
        return t[..., None] if vector else t

    def row(k):
        moved = columns(tangent_of(b, k))
        if isinstance(a, Dual):
            moved = moved - tangent_of(a, k) @ columns(value)
        slope = np.linalg.solve(matrix, moved)
        return slope[..., 0] if vector else slope

    return result(value, [*duals_in((a, b))], row)


@rule(np.linalg.inv, "a")
def _inv(a):
    value = np.linalg.inv(a.primal)
    return result(value, [a], lambda k: -value @ row_of(a, k) @ value)


@rule(np.linalg.det, "a")
def _det(a):
    value = np.linalg.det(a.primal)
    if not np.all(value):
        raise refuse("np.linalg.det of a singular matrix has no derivative rule")
    inverse = np.linalg.inv(a.primal)
    trace = lambda t: np.trace(inverse @ t, axis1=-2, axis2=-1)  # noqa: E731
    return result(value, [a], lambda k: value * trace(row_of(a, k)))


@rule(np.einsum)
def _einsum(subscripts, *operands, optimize=False, **settings):
    if not isinstance(subscripts, str) or settings:
        raise refuse("np.einsum in this form has no derivative rule")
    operands = [lifted(a) for a in operands]
    values = [plain(a) for a in operands]
    value = np.einsum(subscripts, *values, optimize=optimize)

    def row(k):
        out = 0.0
        for i, a in enumerate(operands):
            t = row_of(a, k)
            if t is not None:
                moved = [*values[:i], t, *values[i + 1 :]]
                out = out + np.einsum(subscripts, *moved, optimize=optimize)
        return out

    return result(value, [a for a in operands if isinstance(a, Dual)], row)


@rule(np.linalg.multi_dot, "arrays", lists=True)
def _multi_dot(arrays):
    value = np.linalg.multi_dot(plain(list(arrays)))
    product = arrays[0]
    with np.errstate(all="ignore"):
        for a in arrays[1:]:
            product = np.dot(product, a)
    return Dual(value, product.tangents)


# ---- curves --------------------------------------------------------------------------------------


@rule(np.interp, "x xp fp", "left right period")
def _interp(x, xp, fp, left=None, right=None, period=None):
    if period is not None or holds_dual((xp, left, right)):
        raise refuse("np.interp with a dual xp, left, right or a period has no derivative rule")
    at, knots, heights = plain(x), np.asarray(xp), np.asarray(plain(fp))
    value = np.interp(at, knots, heights, left, right)
    i = np.clip(np.searchsorted(knots, at, side="right") - 1, 0, len(knots) - 2)
    inside = (at >= knots[0]) & (at <= knots[-1])

    def row(k):
        r = 0.0
        if isinstance(x, Dual) and k in x.tangents:
            slope = (heights[i + 1] - heights[i]) / (knots[i + 1] - knots[i])
            r = times(row_of(x, k), np.where(inside, slope, 0.0))
        if (t := row_of(fp, k)) is not None:
            ends = {"left": None if left is None else 0.0, "right": None if right is None else 0.0}
            r = r + np.interp(at, knots, t, **ends)
        return r

    return result(value, [*duals_in((x, fp))], row)


@rule(np.polyval, "p x")
def _polyval(p, x):
    coefficients, at = plain(p), plain(x)
    value = np.polyval(coefficients, at)

    def row(k):
        r = 0.0
        if isinstance(x, Dual) and k in x.tangents:
            r = times(row_of(x, k), np.polyval(np.polyder(np.asarray(coefficients)), at))
        if any(k in a.tangents for a in duals_in(p)):
            r = r + np.polyval(tangent_of(p, k), at)
        return r

    return result(value, [*duals_in((p, x))], row)


@rule(np.vander, "x", "N increasing")
def _vander(x, N=None, increasing=False):
    value = np.vander(x.primal, N, increasing)
    powers = np.arange(value.shape[1], dtype=float)
    powers = powers if increasing else powers[::-1]
    slope = times(powers, x.primal[:, None] ** (powers - 1))
    return result(value, [x], lambda k: times(row_of(x, k)[:, None], slope))


@rule(np.gradient)
def _gradient(f, *spacings, axis=None, edge_order=1):
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
        return chained(np.absolute, value, (z,), [z.primal], (lambda x, y: np.sign(x),))
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


# ---- new arrays of a dual array's kind, which may be filled with dual numbers --------------------


def _like(function, constant):
    @rule(function, "a" if constant is not None else "a fill_value", "dtype order", "shape")
    def answer(a, fill_value=0.0, dtype=None, **settings):
        fill = () if constant is not None else (plain(fill_value),)
        value = function(plain(a), *fill, dtype=dtype, **settings)
        if value.dtype.kind not in "fc":
            if isinstance(fill_value, Dual):
                raise refuse("np.full_like of integers has no derivative rule")
            return value
        return Dual(value, fill_value.tangents if isinstance(fill_value, Dual) else {})


for _f, _constant in (
    (np.zeros_like, 0),
    (np.ones_like, 1),
    (np.empty_like, 0),
    (np.full_like, None),
):
    _like(_f, _constant)


# ---- reductions of ufuncs, methods ---------------------------------------------------------------


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
