"""The derivatives of products, moments, norms and linear algebra."""

from __future__ import annotations

import numpy as np

from nlsq.core.model.duals.dual import Dual, duals_in, lifted, name_of, plain, refuse
from nlsq.core.model.duals.elementwise import ratio, times
from nlsq.core.model.duals.functions import result, row_of, rule, tangent_of

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
        if np.all(v):
            slopes = np.cumsum(t / v, axis=0) * np.cumprod(v, axis=0)
            if np.isfinite(slopes).all():
                return slopes if axis is None else np.moveaxis(slopes, 0, axis)
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


def _of_numbers(function):
    """nansum and nanmean: the entries that are NaN are left out, whatever their tangents are."""

    @rule(function, "a", "axis dtype out keepdims")
    def answer(a, axis=None, keepdims=False, **settings):
        value = function(a.primal, axis=axis, keepdims=keepdims, **settings)
        kept = ~np.isnan(a.primal)
        count = 1 if function is np.nansum else kept.sum(axis=axis, keepdims=keepdims)

        def row(k):
            return np.where(kept, row_of(a, k), 0.0).sum(axis=axis, keepdims=keepdims) / count

        return result(value, [a], row)


_of_numbers(np.nansum)
_of_numbers(np.nanmean)


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


@rule(np.linalg.matrix_power, "a n")
def _matrix_power(a, n):
    if n < 0:
        return np.linalg.matrix_power(np.linalg.inv(a), -n)
    powers = [np.linalg.matrix_power(a.primal, i) for i in range(n + 1)]

    def row(k):
        t = row_of(a, k)
        return sum((powers[i] @ t @ powers[n - 1 - i] for i in range(n)), np.zeros_like(t))

    return result(powers[n], [a], row)


def _turned(a, vectors, UPLO):
    """row(k): the derivative of a Hermitian matrix by k between its eigenvectors."""
    adjoint = vectors.conj().swapaxes(-1, -2)

    def row(k):
        t = row_of(a, k)
        half = np.tril(t, -1) if UPLO == "L" else np.triu(t, 1)
        whole = half + half.conj().swapaxes(-1, -2) + np.real(t) * np.eye(t.shape[-1])
        return adjoint @ whole @ vectors

    return row


@rule(np.linalg.eigvalsh, "a", "UPLO")
def _eigvalsh(a, UPLO="L"):
    value = np.linalg.eigvalsh(a.primal, UPLO)
    row = _turned(a, np.linalg.eigh(a.primal, UPLO)[1], UPLO)
    return result(value, [a], lambda k: np.diagonal(row(k), axis1=-2, axis2=-1).real)


@rule(np.linalg.eigh, "a", "UPLO")
def _eigh(a, UPLO="L"):
    if np.iscomplexobj(a.primal):  # the phases of the vectors are anybody's choice
        raise refuse("np.linalg.eigh of a complex matrix has no derivative rule: take eigvalsh")
    values, vectors = found = np.linalg.eigh(a.primal, UPLO)
    gaps = values[..., None, :] - values[..., :, None]
    apart = gaps + np.eye(gaps.shape[-1])
    if not apart.all():
        raise refuse("np.linalg.eigh of a matrix with equal eigenvalues has no derivative rule")
    row = _turned(a, vectors, UPLO)
    off = gaps / apart**2  # 0 on the diagonal: the vectors keep their length
    return type(found)(
        result(values, [a], lambda k: np.diagonal(row(k), axis1=-2, axis2=-1).real),
        result(vectors, [a], lambda k: vectors @ (row(k) * off)),
    )
