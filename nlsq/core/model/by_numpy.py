"""Run a traced program once by NumPy, where compiling it would take longer than all it does.

Elementwise arithmetic, which is nearly all of what models do, is NumPy's. Every other operation is
one call of JAX, which compiles that operation alone.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from nlsq.core.model.pointwise import callee
from nlsq.xla import apply, is_literal, opened

_TABLE: dict[str, Callable] = {
    **{name: getattr(np, name) for name in (
        "cbrt", "conj", "cos", "cosh", "exp", "exp2", "expm1", "floor", "ceil", "imag",
        "log", "log1p", "real", "sign", "sin", "sinh", "sqrt", "square", "tan", "tanh",
    )},
    "abs": np.abs, "acos": np.arccos, "acosh": np.arccosh, "asin": np.arcsin,
    "asinh": np.arcsinh, "atan": np.arctan, "atan2": np.arctan2, "atanh": np.arctanh,
    "div": np.divide, "logistic": lambda a: 1 / (1 + np.exp(-a)), "neg": np.negative,
    "pow": np.power, "rsqrt": lambda a: 1 / np.sqrt(a),
}  # fmt: skip
_OF_ALL_TYPES: dict[str, Callable] = {
    "add": np.add, "and": np.bitwise_and, "eq": np.equal, "ge": np.greater_equal,
    "gt": np.greater, "is_finite": np.isfinite, "le": np.less_equal, "lt": np.less,
    "max": np.maximum, "min": np.minimum, "mul": np.multiply, "ne": np.not_equal,
    "not": np.invert, "or": np.bitwise_or, "sub": np.subtract,
}  # fmt: skip
# name: function(params, *inputs), of one output
_WITH_PARAMETERS: dict[str, Callable] = {
    "broadcast_in_dim": lambda p, a: _broadcast(a, p["shape"], p["broadcast_dimensions"]),
    "concatenate": lambda p, *arrays: np.concatenate(arrays, p["dimension"]),
    "reduce_sum": lambda p, a: np.sum(a, p["axes"]),
    "reshape": lambda p, a: a.reshape(p["new_sizes"]),
    "slice": lambda p, a: a[
        tuple(map(slice, p["start_indices"], p["limit_indices"], p["strides"] or [1] * a.ndim))
    ],
    "squeeze": lambda p, a: np.squeeze(a, p["dimensions"]),
    "transpose": lambda p, a: a.transpose(p["permutation"]),
}


def evaluate(program, *operands) -> list:
    """Outputs of a jaxpr, closed or without constants, for plain operands."""
    jaxpr = opened(program)
    values = dict(zip(jaxpr.constvars, getattr(program, "consts", ()), strict=True))
    values.update(zip(jaxpr.invars, operands, strict=True))

    def read(v):
        value = v.val if is_literal(v) else values[v]
        plain = isinstance(v.aval.dtype, np.dtype)
        return np.asarray(value, v.aval.dtype) if plain else value

    with np.errstate(all="ignore"):
        for equation in jaxpr.eqns:
            inputs = [read(v) for v in equation.invars]
            values.update(zip(equation.outvars, _equation(equation, inputs), strict=True))
    return [read(v) for v in jaxpr.outvars]


def _equation(equation, inputs: list) -> list:
    inner = callee(equation)
    if inner is not None:
        return evaluate(inner, *inputs)
    name, params = equation.primitive.name, equation.params
    if not all(isinstance(a, np.ndarray) for a in inputs):  # random keys
        return _by_jax(equation, inputs)
    inexact = all(a.dtype.kind in "fc" for a in inputs)
    if name in _TABLE and inexact:
        return [_TABLE[name](*inputs)]
    if name in _OF_ALL_TYPES:
        return [_OF_ALL_TYPES[name](*inputs)]
    if name in _WITH_PARAMETERS:
        return [_WITH_PARAMETERS[name](params, *inputs)]
    if name == "integer_pow" and inexact:
        return [inputs[0] ** params["y"]]
    if name == "convert_element_type" and isinstance(params["new_dtype"], np.dtype):
        return [inputs[0].astype(params["new_dtype"])]
    if name == "select_n" and inputs[0].dtype == bool:
        return [np.where(inputs[0], inputs[2], inputs[1])]
    return _by_jax(equation, inputs)


def _broadcast(array, shape, dimensions):
    lengths = [1] * len(shape)
    for k, length in zip(dimensions, array.shape, strict=True):
        lengths[k] = length
    return np.broadcast_to(array.reshape(lengths), shape)


def _by_jax(equation, inputs: list) -> list[Any]:
    return apply(
        equation, [jax.numpy.asarray(a) if isinstance(a, np.ndarray) else a for a in inputs]
    )
