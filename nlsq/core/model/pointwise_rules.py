"""What each JAX primitive does with the axis over the points: the table behind `pointwise`.

A rule sees an operation that reads or writes such an axis, on sound inputs, none of which and none
of whose outputs has two. It returns True only if slice i of every output is built, in the same way
for each i, from the slices i of the inputs. Inputs without the axis do not depend on the data.
"""

from __future__ import annotations

from math import prod
from typing import NamedTuple

import numpy as np

REASONS = {
    "reduce_sum": "the sum over all points",
    "reduce_max": "the maximum over all points",
    "reduce_min": "the minimum over all points",
    "reduce_and": "asks something of all points (all)",
    "reduce_or": "asks something of all points (any)",
    "sort": "sorts the points",
    "rev": "reverses the points",
    "iota": "depends on the position in the array (arange)",
    "dot_general": "a product summed over the points (dot)",
    "conv_general_dilated": "convolution over the points",
    "fft": "Fourier transform over the points",
    "slice": "takes some of the points by position (slice)",
    "dynamic_slice": "takes some of the points by position (dynamic_slice)",
    "gather": "takes some of the points by position (indexing)",
    "pad": "pads or shifts the points",
    "concatenate": "joins arrays along the data (concatenate)",
}


class Op(NamedTuple):
    """What a rule sees of an equation; axes are those over the points, or None."""

    params: dict
    shapes: list
    outs: list  # shapes of the outputs
    ins: list  # axes of the inputs
    axes: list  # axes of the outputs


def _elementwise(op):
    """Same shape, or broadcast: a scalar, or an axis of length one."""
    k, rank = op.axes[0], len(op.outs[0])
    if k is None or op.params.get("y") == op.outs[0][k]:  # x ** len(x) is an integer_pow
        return False
    return all(
        shape == () or (len(shape) == rank and (i == k or shape[k] == 1))
        for shape, i in zip(op.shapes, op.ins, strict=True)
    )


def _across(param):
    """Works along other axes, given by `param`; all inputs have their points on one axis."""

    def rule(op):
        k, other = op.ins[0], op.params[param]
        return k is not None and set(op.ins) == {k} and k not in np.atleast_1d(other)

    return rule


def _in_place(op):
    """The axis over the points stays where it is, hence, at the same length, whole."""
    return op.ins[0] is not None and op.ins[0] == op.axes[0]


def _batched(core):
    """Linear algebra in the last `core` axes, one problem for each index of the leading ones."""

    def rule(op):
        (k, *more), rank = set(op.ins + op.axes), max(map(len, op.shapes))
        return not more and k is not None and k < rank - core

    return rule


def _reshape(op):
    (k,), (j,) = op.ins, op.axes
    return None not in (k, j) and prod(op.shapes[0][:k]) == prod(op.outs[0][:j])


def _broadcast(op):
    (k,) = op.ins
    return k is None or op.params["broadcast_dimensions"][k] == op.axes[0]


def _window(shape, axis, dropped, windows):
    """Where a full slice along `axis` of the operand stands in the gathered array or updates."""
    kept = [d for d in range(len(shape)) if d not in dropped]
    return windows[kept.index(axis)] if axis in kept else None


def _gather(op):
    d, (table, at), out = op.params["dimension_numbers"], op.ins, op.axes[0]
    if out is None or (at is not None and at == len(op.shapes[1]) - 1):
        return False
    if at is None:  # whole columns at places that do not depend on the data
        dropped = {*d.collapsed_slice_dims, *d.operand_batching_dims}
        return out == _window(op.shapes[0], table, dropped, d.offset_dims)
    batch = [k for k in range(len(op.outs[0])) if k not in d.offset_dims]
    pairs = zip(d.operand_batching_dims, d.start_indices_batching_dims, strict=True)
    return batch[at] == out and (table is None or (table, at) in pairs)


def _scatter(op):
    d, (table, at, new), out = op.params["dimension_numbers"], op.ins, op.axes[0]
    if None in (table, new) or table != out:
        return False
    if at is None:
        dropped = {*d.inserted_window_dims, *d.operand_batching_dims}
        return new == _window(op.shapes[0], table, dropped, d.update_window_dims)
    batch = [k for k in range(len(op.shapes[2])) if k not in d.update_window_dims]
    pairs = zip(d.operand_batching_dims, d.scatter_indices_batching_dims, strict=True)
    return at < len(batch) and batch[at] == new and (table, at) in pairs


def _convolution(op):
    lhs, _, out = op.params["dimension_numbers"]
    batched = op.ins[0] == lhs[0] and op.axes[0] == out[0] and op.ins[1] is None
    return batched and op.params["batch_group_count"] == 1


def _dot(op):
    summed = op.params["dimension_numbers"][0]
    return all(k not in dims for k, dims in zip(op.ins, summed, strict=True))


def _kept(op):
    """The rank may change, the axes stay in their order."""
    return None not in op.ins + op.axes


def _identity(op):
    return op.shapes == op.outs


RULES = {
    """
    abs acos acosh add add_any and asin asinh atan atan2 atanh bessel_i0e bessel_i1e cbrt ceil clamp
    clz complex conj convert_element_type cos cosh digamma div eq eq_to erf erf_inv erfc exp exp2
    expm1 floor ge gt igamma igamma_grad_a igammac imag integer_pow is_finite le le_to lgamma log
    log1p log2 logistic lt lt_to max min mul ne neg nextafter not one_minus_square or polygamma
    polynomial population_count pow random_gamma_grad real reduce_precision
    regularized_incomplete_beta rem round rsqrt select_n shift_left shift_right_arithmetic
    shift_right_logical sign sin sinh sqrt square sub tan tanh xor zeta
    """: _elementwise,
    "argmax argmin": _across("axes"),
    "reduce_and reduce_max reduce_min reduce_or reduce_prod reduce_sum": _across("axes"),
    "cumsum cumprod cummax cummin cumlogsumexp split unstack": _across("axis"),
    "concatenate sort": _across("dimension"),
    "rev": _across("dimensions"),
    "cholesky eig eigh householder_product lu qr svd triangular_solve": _batched(2),
    "lu_pivots_to_permutation": _batched(1),
    "copy copy_p device_put name optimization_barrier stop_gradient": _identity,
    "bitcast_convert_type dynamic_slice slice": _in_place,
    "dynamic_update_slice": lambda op: _in_place(op) and op.ins[1] == op.ins[0],
    "pad": lambda op: _in_place(op) and tuple(op.params["padding_config"][op.ins[0]]) == (0, 0, 0),
    "fft": lambda op: _in_place(op) and op.ins[0] < len(op.outs[0]) - len(op.params["fft_lengths"]),
    "squeeze stack": _kept,
    "iota": lambda op: op.axes[0] != op.params["dimension"],
    "transpose": lambda op: op.params["permutation"][op.axes[0]] == op.ins[0],
    "broadcast_in_dim": _broadcast,
    "reshape": _reshape,
    "dot_general": _dot,
    "conv_general_dilated": _convolution,
    "gather": _gather,
    "scatter scatter-add scatter-sub scatter-mul scatter-min scatter-max": _scatter,
}
RULES = {name: rule for names, rule in RULES.items() for name in names.split()}
