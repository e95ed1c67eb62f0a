"""Prove from its jaxpr that a model's value at point i depends on point i alone.

Blocks, padding and streaming are right only for such *pointwise* models. A wrong "couples" costs
speed, a wrong "pointwise" costs the answer, so everything below proves, and gives up when in doubt.

Abstract domain. The model is traced with data of a prime, unusual length `block`; an axis of that
length is taken to be the one that runs over the points. Each variable is in one of two states:

- `None`, sound: without such an axis, its value does not depend on the data; with exactly one,
  its slice i is one and the same function, for every i, of point i (and of parameters, tables and
  constants). A constant broadcast along the points is of this kind too.
- a reason (str), tainted: anything else, be it a sum over the points, a position (`arange`), a
  constant array as long as the data, or an array with two such axes.

Soundness is by induction over the equations. Tainted inputs give tainted outputs. An operation
that neither reads nor writes an axis over the points is a function of sound values without one,
hence sound. All others need a rule that accepts them (`pointwise_rules`): slice i of every output
is built, in the same way for each i, from the slices i of the inputs. Unknown operations have no
rule and taint. Loops run to a fixed point of the taints, which only grow; a branch or trip count
taken on a tainted scalar taints what it decides. Values that are never used do no harm.

A scan *over* the points (`lax.map`) hands its body one point at a time: such values carry the
special taint `LANE`, harmless if it ends in the stacked output and if no value is carried along.

The proof is for one length. What a model computes from `len(x)` is a number in the jaxpr; the
obvious ones are caught here, all of them by comparing traces at two lengths: `length_matters`.
"""

from __future__ import annotations

import re
from itertools import chain

import jax
import numpy as np

from nlsq.core.model.pointwise_rules import REASONS, RULES, Op
from nlsq.xla import is_literal, opened, programs_in, scan_counts

LANE = "a loop over the points"
STEPS = "a loop over the points that carries a value along"
PAIRS = "compares points with each other (an array over pairs of points)"
UNKNOWN_FORM = (AttributeError, LookupError, NotImplementedError, TypeError, ValueError)
COUNT = "depends on the number of points (len)"


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
    jaxpr = opened(closed_jaxpr)
    if len(data_axes) != len(jaxpr.invars):
        raise ValueError(f"{len(data_axes)} data axes for {len(jaxpr.invars)} inputs")
    marks = []
    for shape, axis in zip(_shapes(jaxpr.invars), data_axes, strict=True):
        if axis is not None and (axis >= len(shape) or shape[axis] != block):
            raise ValueError(f"data of shape {shape} has no axis {axis} of length {block}")
        foreign = axis is None and block in shape
        marks.append("an argument that is not data but as long as the data" if foreign else None)
    outs = _Proof(block).run(closed_jaxpr, marks)
    for mark, shape in zip(outs, _shapes(jaxpr.outvars), strict=True):
        if mark is not None:
            return mark
        if shape not in ((), (block,)):
            return f"the output has shape {shape}, not one value per point"
    return None


def length_matters(first, second, blocks):
    """Whether two traces of one model, with data of two lengths, differ in more than the length.

    It shows what a single trace cannot, e.g. `2 * len(x)` or a grid of `len(x) + 1` nodes.

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
    parts = [list(_contents(program)) for program in (first, second)]
    if len(parts[0]) != len(parts[1]):
        return True
    return not all(
        _alike(one, other, blocks) and len(c) == len(d) and all(map(_same, c, d))
        for (one, c), (other, d) in zip(*parts, strict=True)
    )


def _contents(program):
    """Tokens and constants of a program and of all it calls. Numbers print as `7:i32[]`."""
    yield _TOKEN.findall(str(program)), getattr(program, "consts", ())
    for inner in chain.from_iterable(map(programs_in, opened(program).eqns)):
        yield from _contents(inner)


# A length stands alone, as in `f64[1009]`; a number is followed by its type, an address is no text.
_TOKEN = re.compile(r"0x[0-9a-f]+|[\w.]+:?|[^\s\w.]")


def _alike(one: list, other: list, blocks) -> bool:
    """Whether two texts are the same but for the length, which is `blocks[0]` and `blocks[1]`."""
    lengths = tuple(map(str, blocks))
    return len(one) == len(other) and all(
        a == b or (a, b) == lengths or a[:2] == b[:2] == "0x"
        for a, b in zip(one, other, strict=True)
    )


def count_equations(program) -> int:
    """Number of operations of a program and of all it calls."""
    eqns = opened(program).eqns
    return len(eqns) + sum(map(count_equations, chain.from_iterable(map(programs_in, eqns))))


def _same(a, b):
    if a is b:
        return True
    try:
        a, b = np.asarray(a), np.asarray(b)
    except TypeError:  # a random key
        return False
    if a.shape != b.shape:  # np.ones(len(x))
        a, b = np.unique(a), np.unique(b)
        return a.size == b.size <= 1 and np.array_equal(a, b)
    return np.array_equal(a, b)


def _shapes(variables):
    return [getattr(v.aval, "shape", ()) for v in variables]


def callee(eqn):
    """The program an equation merely calls: jit, remat, custom_jvp_call, eval_jaxpr and so on."""
    if not re.search("jit|call|remat|checkpoint|eval", eqn.primitive.name):
        return None
    programs = programs_in(eqn)
    if len(programs) != 1:
        return None
    inner = opened(programs[0])
    ins = _shapes(inner.invars) == _shapes(eqn.invars)
    return programs[0] if ins and _shapes(inner.outvars) == _shapes(eqn.outvars) else None


def _join(*marks):
    """The least upper bound: None < LANE < any other reason, the first one met."""
    tainted = [m for m in marks if m is not None]
    return next((m for m in tainted if m is not LANE), LANE if tainted else None)


def _unchanged(body, skip, n):
    """Per carried value: whether a loop's body hands it on as it is."""
    pairs = zip(opened(body).invars[skip : skip + n], opened(body).outvars, strict=False)
    return [before is after for before, after in pairs]


class _Proof:
    """An interpreter of jaxprs over the domain of the module's docstring."""

    def __init__(self, block):
        self.block = block
        self.counts = np.outer((1, -1), (block, block - 1, 1 / block, 1 / (block - 1))).ravel()

    def axis(self, shape):
        """The axis over the points, or None. (Two of them are tainted before anyone asks.)"""
        return shape.index(self.block) if self.block in shape else None

    def constant(self, value):
        """The mark of a closed-over array or a literal."""
        try:
            values = np.asarray(value)
        except TypeError:  # a random key
            return "a constant that cannot be looked into"
        if values.size == 1 and np.any(np.isclose(values.ravel(), self.counts, 1e-6, 0)):
            return COUNT
        k = self.axis(values.shape)
        uniform = k is None or np.all(values == np.take(values, [0], k))
        return None if uniform else "a constant array as long as the data"

    def run(self, program, marks):
        """The marks of a jaxpr's outputs for marks of its inputs."""
        jaxpr, consts = opened(program), getattr(program, "consts", ())
        env = dict.fromkeys(jaxpr.constvars, "a constant that cannot be looked into")
        env.update(zip(jaxpr.constvars, map(self.constant, consts), strict=False))
        env.update(zip(jaxpr.invars, marks, strict=True))

        def read(v):
            if not isinstance(v.aval, jax.core.ShapedArray):
                return "a mutable array or a token"
            mark = self.constant(v.val) if is_literal(v) else env[v]
            n = v.aval.shape.count(self.block)
            return _join(mark, PAIRS if n > 1 or (n and mark is LANE) else None)

        for eqn in jaxpr.eqns:
            ins = [read(v) for v in eqn.invars]
            try:
                outs = self.equation(eqn, ins)
            except UNKNOWN_FORM:
                outs = [f"{eqn.primitive.name} in a form that is not known"] * len(eqn.outvars)
            env.update(zip(eqn.outvars, outs, strict=True))
        return [read(v) for v in jaxpr.outvars]

    def equation(self, eqn, marks):
        name = eqn.primitive.name
        if name in CONTROL:
            return CONTROL[name](self, eqn.params, eqn, marks)
        inner = callee(eqn)
        if inner is not None:
            return self.run(inner, marks)
        mark = _join(*marks)
        if mark is None or mark is LANE:
            mark = _join(mark, self.plain(eqn, name, mark))
        return [mark] * len(eqn.outvars)

    def plain(self, eqn, name, mark):
        """An operation without control flow, on inputs that are sound or of one lane."""
        shapes, outs = _shapes(eqn.invars), _shapes(eqn.outvars)
        if any(s.count(self.block) > 1 for s in outs):
            return PAIRS
        if not any(self.block in s for s in shapes + outs):
            hidden = name not in RULES and (programs_in(eqn) or eqn.effects)
            return f"{name}, which cannot be looked into" if hidden else None
        if mark is LANE:
            return PAIRS
        op = Op(eqn.params, shapes, outs, [*map(self.axis, shapes)], [*map(self.axis, outs)])
        accepted = name in RULES and RULES[name](op)
        return None if accepted else REASONS.get(name, f"{name} along the data")

    def cond(self, params, eqn, marks):
        branches = [self.run(b, marks[1:]) for b in params["branches"]]
        return [_join(marks[0], *outs) for outs in zip(*branches, strict=True)]

    def loop(self, body, consts, carry, xs=()):
        """Marks of the carry that hold before and after every pass, and of the other outputs."""
        while True:
            outs = self.run(body, [*consts, *carry, *xs])
            joined = [_join(c, o) for c, o in zip(carry, outs, strict=False)]
            if joined == carry:
                return carry, outs[len(carry) :]
            carry = joined

    def scan(self, params, eqn, marks):
        nc, nk = scan_counts(params)
        body, consts, carry, xs = params["jaxpr"], marks[:nc], marks[nc : nc + nk], marks[nc + nk :]
        if params["length"] != self.block:
            return list(chain(*self.loop(body, consts, carry, xs)))
        if LANE in marks:  # two loops over the points, one inside the other
            return [PAIRS] * len(eqn.outvars)
        fixed = _unchanged(body, nc, nk)
        carry = [_join(c, None if f else STEPS) for c, f in zip(carry, fixed, strict=True)]
        carry, ys = self.loop(body, consts, carry, [_join(x, LANE) for x in xs])
        return carry + [None if y is LANE else y for y in ys]

    def while_loop(self, params, eqn, marks):
        """A predicate that is an array is that of `vmap`: each lane stops and freezes alone."""
        nc, nb = params["cond_nconsts"], params["body_nconsts"]
        carry, _ = self.loop(params["body_jaxpr"], marks[nc : nc + nb], marks[nc + nb :])
        (stop,) = self.run(params["cond_jaxpr"], marks[:nc] + carry)
        lanes = self.axis(_shapes(opened(params["cond_jaxpr"]).outvars)[0])
        fixed = _unchanged(params["body_jaxpr"], nb, len(carry))
        axes = map(self.axis, _shapes(eqn.outvars))
        off = [None if lanes is None or k == lanes else REASONS["reduce_or"] for k in axes]
        return [c if f else _join(c, stop, o) for c, f, o in zip(carry, fixed, off, strict=True)]

    def linear_solve(self, params, eqn, marks):
        sizes = params["const_lengths"]
        first = sizes.matvec + sizes.vecmat
        consts = marks[first : first + sizes.solve]
        return self.run(params["jaxprs"].solve, consts + marks[sum(sizes) :])


CONTROL = {
    "cond": _Proof.cond,
    "scan": _Proof.scan,
    "while": _Proof.while_loop,
    "custom_linear_solve": _Proof.linear_solve,
}
