"""Prove from its jaxpr that a model's value at point i depends on point i alone.

Blocks, padding and streaming are right only for such *pointwise* models. A wrong "couples" costs
speed, a wrong "pointwise" costs the answer, so everything below proves, and gives up when in doubt.

Abstract domain. The model is traced with data of a prime, unusual length `block`; an axis of that
length is taken to be the one that runs over the points. Each variable is then in one of two states:

- `None`, sound: without such an axis, its value does not depend on the data; with exactly one
  such axis, its slice i is one and the same function, for every i, of point i (and of parameters,
  tables and constants). A constant broadcast along the points is of this kind too.
- a reason (str), tainted: anything else, be it a sum over the points, a position (`arange`), a
  constant array as long as the data, or an array with two such axes.

Soundness is by induction over the equations. Tainted inputs give tainted outputs. An operation
that neither reads nor writes an axis over the points is a function of sound values without one,
hence sound. All others need a rule of `RULES` that accepts them: the slice i of every output is
built, in the same way for each i, from the slices i of the inputs. Unknown operations have no rule
and taint. Loops run to a fixed point of the taints, which only grow; a branch or trip count taken
on a tainted scalar taints what it decides. Values that are never used do no harm.

A scan *over* the points (`lax.map`) hands its body one point at a time: such scalars carry the
special taint `LANE`, harmless if it ends in the stacked output and if no value is carried on.

The proof is for one length. What a model computes from `len(x)` is a number in the jaxpr; the
obvious ones are caught here, all of them by comparing traces at two lengths: `length_matters`.
"""

from __future__ import annotations

import re
from itertools import chain
from math import prod
from typing import NamedTuple

import jax
import numpy as np
from jax.extend.core import Literal

LANE = "a loop over the points"
PAIRS = "compares points with each other (an array over pairs of points)"
STEPS = "a loop over the points that carries a value along"
COUNT = "depends on the number of points (len)"

REASONS = {
    "reduce_sum": "the sum over all points",
    "reduce_prod": "the product over all points",
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


def couples_points(closed_jaxpr, data_axes, block):
    """Say why a traced model is not pointwise, or None when it provably is.

    Parameters
    ----------
    closed_jaxpr : jax.extend.core.ClosedJaxpr
        `jax.make_jaxpr(f)(*x_leaves, p)` with all data of length `block`.
    data_axes : sequence of int or None
        Per flat input: the axis that runs over the points, or None for what is not data.
    block : int
        The traced number of points; a large prime that no table or parameter vector has.

    Returns
    -------
    str or None
        None if every output is a scalar independent of the data, or has shape (block,) with
        element i a function of point i alone; otherwise the reason, for people.

    Raises
    ------
    ValueError
        If `data_axes` does not fit the inputs, or data does not have length `block` there.

    Examples
    --------
    >>> x = jax.ShapeDtypeStruct((1009,), "float32")
    >>> couples_points(jax.make_jaxpr(lambda x: jax.numpy.exp(-x))(x), [0], 1009)
    >>> couples_points(jax.make_jaxpr(lambda x: x / x.max())(x), [0], 1009)
    'the maximum over all points'
    """
    jaxpr = closed_jaxpr.jaxpr
    if len(data_axes) != len(jaxpr.invars):
        raise ValueError(f"{len(data_axes)} data axes for {len(jaxpr.invars)} inputs")
    proof = _Proof(block)
    marks = [proof.argument(v.aval.shape, k) for v, k in zip(jaxpr.invars, data_axes, strict=True)]
    with jax.enable_x64(True):
        marks = proof.run(closed_jaxpr, marks)
    for mark, var in zip(marks, jaxpr.outvars, strict=True):
        if mark is not None:
            return mark
        if var.aval.shape not in ((), (block,)):
            return f"the output has shape {var.aval.shape}, not one value per point"
    return None


def length_matters(first, second, blocks):
    """Whether two traces of one model, with data of two lengths, differ in more than the length.

    Catches what a single trace cannot show, e.g. `x / len(x)` or a grid of `len(x) + 1` nodes.

    Parameters
    ----------
    first, second : jax.extend.core.ClosedJaxpr
        Traces with data of length `blocks[0]` and `blocks[1]`, two different primes.
    blocks : tuple of int
        The two lengths.

    Returns
    -------
    bool
        False only if the two programs and all their constants are the same.

    Examples
    --------
    >>> def trace(f, m):
    ...     return jax.make_jaxpr(f)(jax.ShapeDtypeStruct((m,), "float32"))
    >>> length_matters(*(trace(lambda x: x / len(x), m) for m in (1009, 2003)), (1009, 2003))
    True
    """
    texts = [_text(j, block) for j, block in zip((first, second), blocks, strict=True)]
    constants = [list(_constants(j)) for j in (first, second)]
    return texts[0] != texts[1] or not all(map(_same, *constants))


def _text(jaxpr, block):
    """The printed program, the length replaced where it is a size; numbers print as `7:i32[]`."""
    return re.sub(rf"(?<![\w.]){block}(?![\w.:])|0x[0-9a-f]+", "N", str(jaxpr))


def _constants(jaxpr):
    """All constants of a program and of the programs it calls."""
    yield from getattr(jaxpr, "consts", ())
    for eqn in _open(jaxpr).eqns:
        for inner in _programs(eqn):
            yield from _constants(inner)


def _same(a, b):
    a, b = np.asarray(a), np.asarray(b)
    if a.shape != b.shape:
        a, b = np.unique(a), np.unique(b)
        return a.size == b.size <= 1 and np.array_equal(a, b)
    return np.array_equal(a, b)


def _programs(eqn):
    """The jaxprs among an equation's parameters."""
    values = chain.from_iterable(
        v if isinstance(v, (tuple, list)) else (v,) for v in eqn.params.values()
    )
    return [v for v in values if hasattr(_open(v), "eqns")]


def _join(*marks):
    """The least upper bound: None < LANE < any other reason, the first one met."""
    tainted = [m for m in marks if m is not None]
    return next((m for m in tainted if m is not LANE), LANE if tainted else None)


def _shapes(variables):
    return [getattr(v.aval, "shape", ()) for v in variables]


def _open(program):
    return getattr(program, "jaxpr", program)


def _unchanged(body, skip, n):
    """Per carried value: whether a loop's body hands it on as it is."""
    pairs = zip(_open(body).invars[skip : skip + n], _open(body).outvars, strict=False)
    return [before is after for before, after in pairs]


def _scan_sizes(params):
    """Number of constants and of carried values (`ft_in` since JAX 0.12)."""
    if "num_consts" in params:
        return params["num_consts"], params["num_carry"]
    return tuple(len(part) for part in params["ft_in"].elts[:2])


def _callee(eqn):
    """The program an equation merely calls: jit, remat, custom_jvp_call, eval_jaxpr and so on."""
    programs = _programs(eqn)
    if len(programs) != 1 or not re.search("jit|call|remat|checkpoint|eval", eqn.primitive.name):
        return None
    inner = _open(programs[0])
    same = _shapes(inner.invars + inner.outvars) == _shapes(eqn.invars + eqn.outvars)
    return programs[0] if same and len(inner.invars) == len(eqn.invars) else None


class _Proof:
    """An interpreter of jaxprs over the domain of the module's docstring."""

    def __init__(self, block):
        self.block = block
        self.counts = [s * c for c in (block, block - 1, 1 / block, 1 / (block - 1)) for s in (1, -1)]

    def axis(self, shape):
        """The axis over the points, or None. (Two of them are tainted before anyone asks.)"""
        return shape.index(self.block) if self.block in shape else None

    def argument(self, shape, axis):
        if axis is not None and (not -len(shape) <= axis < len(shape) or shape[axis] != self.block):
            raise ValueError(f"data of shape {shape} has no axis {axis} of length {self.block}")
        if axis is None and self.block in shape:
            return "an argument that is not data but as long as the data"
        return None

    def constant(self, value):
        """The mark of a closed-over array or a literal."""
        shape = np.shape(value)
        if prod(shape) == 1 and np.any(np.isclose(np.asarray(value), self.counts, 1e-6, 0)):
            return COUNT
        if self.block not in shape:
            return None
        values = np.asarray(value)
        uniform = np.all(values == np.take(values, [0], self.axis(shape)))
        return None if uniform else "a constant array as long as the data"

    def run(self, program, marks):
        """The marks of a jaxpr's outputs for marks of its inputs."""
        jaxpr = _open(program)
        consts = list(getattr(program, "consts", ()))
        env = dict.fromkeys(jaxpr.constvars, "a constant that cannot be looked into")
        env.update(zip(jaxpr.constvars, map(self.constant, consts), strict=False))
        env.update(zip(jaxpr.invars, marks, strict=True))

        def read(v):
            mark = self.constant(v.val) if isinstance(v, Literal) else env[v]
            points = getattr(v.aval, "shape", ()).count(self.block)
            return _join(mark, PAIRS if points > 1 or (points and mark is LANE) else None)

        for eqn in jaxpr.eqns:
            outs = self.equation(eqn, [read(v) for v in eqn.invars])
            env.update(zip(eqn.outvars, outs, strict=True))
        return [read(v) for v in jaxpr.outvars]

    def equation(self, eqn, marks):
        name = eqn.primitive.name
        if name in CONTROL:
            return getattr(self, CONTROL[name])(eqn, marks)
        inner = _callee(eqn)
        if inner is not None:
            return self.run(inner, marks)
        mark = _join(*marks)
        if mark is None or mark is LANE:
            mark = _join(mark, self.plain(eqn, name, mark))
        return [mark] * len(eqn.outvars)

    def plain(self, eqn, name, mark):
        """An operation without control flow, on inputs that are sound or of one lane."""
        reason = REASONS.get(name, f"{name} along the data")
        shapes, outs = _shapes(eqn.invars), _shapes(eqn.outvars)
        if any(s.count(self.block) > 1 for s in outs):
            return PAIRS
        if not any(self.block in s for s in shapes + outs):
            hidden = name not in RULES and (_programs(eqn) or eqn.effects)
            return f"the operation {name}, which cannot be looked into" if hidden else None
        if mark is LANE:
            return PAIRS
        ins, axes = [self.axis(s) for s in shapes], [self.axis(s) for s in outs]
        rule = RULES.get(name)
        return None if rule and rule(Op(eqn.params, shapes, outs, ins, axes)) else reason

    def cond(self, eqn, marks):
        branches = [self.run(b, marks[1:]) for b in eqn.params["branches"]]
        return [_join(marks[0], *outs) for outs in zip(*branches, strict=True)]

    def loop(self, body, consts, carry, xs=()):
        """Marks of the carry that hold before and after every pass, and of the other outputs."""
        while True:
            outs = self.run(body, [*consts, *carry, *xs])
            joined = [_join(c, o) for c, o in zip(carry, outs, strict=False)]
            if joined == carry:
                return carry, outs[len(carry) :]
            carry = joined

    def scan(self, eqn, marks):
        p, body = eqn.params, eqn.params["jaxpr"]
        nc, nk = _scan_sizes(p)
        consts, carry, xs = marks[:nc], marks[nc : nc + nk], marks[nc + nk :]
        if p["length"] != self.block:
            return list(chain(*self.loop(body, consts, carry, xs)))
        if LANE in marks:  # two loops over the points, one inside the other
            return [PAIRS] * len(eqn.outvars)
        fixed = _unchanged(body, nc, nk)
        carry = [_join(c, None if f else STEPS) for c, f in zip(carry, fixed, strict=True)]
        carry, ys = self.loop(body, consts, carry, [_join(x, LANE) for x in xs])
        return carry + [None if y is LANE else y for y in ys]

    def while_loop(self, eqn, marks):
        """A predicate that is an array is that of `vmap`: each lane stops and freezes alone."""
        p = eqn.params
        nc, nb = p["cond_nconsts"], p["body_nconsts"]
        carry, _ = self.loop(p["body_jaxpr"], marks[nc : nc + nb], marks[nc + nb :])
        (stop,) = self.run(p["cond_jaxpr"], marks[:nc] + carry)
        lanes = self.axis(_shapes(_open(p["cond_jaxpr"]).outvars)[0])
        fixed = _unchanged(p["body_jaxpr"], nb, len(carry))
        axes = map(self.axis, _shapes(eqn.outvars))
        off = [None if lanes is None or k == lanes else REASONS["reduce_or"] for k in axes]
        return [c if f else _join(c, stop, o) for c, f, o in zip(carry, fixed, off, strict=True)]

    def linear_solve(self, eqn, marks):
        sizes, solve = eqn.params["const_lengths"], eqn.params["jaxprs"].solve
        first = sizes.matvec + sizes.vecmat
        return self.run(solve, marks[first : first + sizes.solve] + marks[sum(sizes) :])

    def expand(self, eqn, marks):
        """A high-level primitive (JAX 0.12: searchsorted, custom_root) is what it expands to."""
        prim = eqn.params["_prim"]
        args = [jax.ShapeDtypeStruct(a.shape, a.dtype) for a in prim.in_avals_flat]
        trace = jax.make_jaxpr(lambda *a: prim.expand(*jax.tree.unflatten(prim.in_tree, a)))
        return self.run(trace(*args), marks)


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
    return k is not None and all(
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


def _window(shape, axis, dropped, windows):
    """Where a full slice along `axis` of the operand stands in the gathered array or updates."""
    kept = [d for d in range(len(shape)) if d not in dropped]
    return windows[kept.index(axis)] if axis in kept else None


def _gather(op):
    d, (table, at), out = op.params["dimension_numbers"], op.ins, op.axes[0]
    batch = [k for k in range(len(op.outs[0])) if k not in d.offset_dims]
    if out is None or (at is not None and at == len(op.shapes[1]) - 1):
        return False
    if at is None:  # whole columns at places that do not depend on the data
        dropped = {*d.collapsed_slice_dims, *d.operand_batching_dims}
        return out == _window(op.shapes[0], table, dropped, d.offset_dims)
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


ELEMENTWISE = """
abs acos acosh add add_any and asin asinh atan atan2 atanh bessel_i0e bessel_i1e cbrt ceil clamp clz
complex conj convert_element_type cos cosh digamma div eq eq_to erf erf_inv erfc exp exp2 expm1
floor ge gt igamma igamma_grad_a igammac imag integer_pow is_finite le le_to lgamma log log1p log2
logistic lt lt_to max min mul ne neg nextafter not one_minus_square or polygamma polynomial
population_count pow random_gamma_grad real reduce_precision regularized_incomplete_beta rem round
rsqrt select_n shift_left shift_right_arithmetic shift_right_logical sign sin sinh sqrt square sub
tan tanh xor zeta
"""
REDUCTIONS = "argmax argmin reduce_and reduce_max reduce_min reduce_or reduce_prod reduce_sum"
ACCUMULATIONS = "cumsum cumprod cummax cummin cumlogsumexp"

RULES = {
    **dict.fromkeys(ELEMENTWISE.split(), _elementwise),
    **dict.fromkeys(REDUCTIONS.split(), _across("axes")),
    **dict.fromkeys(ACCUMULATIONS.split(), _across("axis")),
    **dict.fromkeys(("concatenate", "sort"), _across("dimension")),
    **dict.fromkeys("cholesky eig eigh householder_product lu qr geqrf svd".split(), _batched(2)),
    **dict.fromkeys(("triangular_solve", "tridiagonal_solve"), _batched(2)),
    **dict.fromkeys("copy copy_p device_put name optimization_barrier stop_gradient".split(),
                    lambda op: op.shapes == op.outs),
    **dict.fromkeys("bitcast_convert_type dynamic_slice slice".split(), _in_place),
    "rev": _across("dimensions"),
    "split": _across("axis"),
    "lu_pivots_to_permutation": _batched(1),
    "squeeze": lambda op: None not in op.ins + op.axes,
    "stack": lambda op: None not in op.ins + op.axes,
    "iota": lambda op: op.axes[0] != op.params["dimension"],
    "transpose": lambda op: op.params["permutation"][op.axes[0]] == op.ins[0],
    "broadcast_in_dim": lambda op: len(op.ins) == 1 and (
        op.ins[0] is None or op.params["broadcast_dimensions"][op.ins[0]] == op.axes[0]),
    "reshape": _reshape,
    "pad": lambda op: _in_place(op) and tuple(op.params["padding_config"][op.ins[0]]) == (0, 0, 0),
    "dynamic_update_slice": lambda op: _in_place(op) and op.ins[1] == op.ins[0],
    "dot_general": lambda op: all(
        k not in sums for k, sums in zip(op.ins, op.params["dimension_numbers"][0], strict=True)),
    "fft": lambda op: _in_place(op) and op.ins[0] < len(op.outs[0]) - len(op.params["fft_lengths"]),
    "conv_general_dilated": _convolution,
    "gather": _gather,
    **dict.fromkeys("scatter scatter-add scatter-mul scatter-min scatter-max".split(), _scatter),
}

CONTROL = {
    "cond": "cond",
    "scan": "scan",
    "while": "while_loop",
    "custom_linear_solve": "linear_solve",
    "call_hi_primitive": "expand",
}
