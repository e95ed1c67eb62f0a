"""Trace a user's function: the forms in which it is called, and the programs that come out."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np

from nlsq import xla
from nlsq.core.model.abscissae import Abscissae
from nlsq.core.model.believing import TRACE_ERRORS
from nlsq.core.model.facts import TraceFailed
from nlsq.core.model.pointwise import count_equations
from nlsq.core.model.reading import is_only_said
from nlsq.utils.given import fits, refuse_value, wrong_value

# Operations of a program: of 400 it takes the compiler some 5 s, of 800 some 20 (JAX 0.10).
MOST_EQUATIONS = 1000
_texts = threading.RLock()


@contextmanager
def texts_refused() -> Iterator[None]:
    """Refuse to make a text of a traced value, which has no numbers, but to print or raise it.

    `str`, `repr`, `format` and f-strings all end in the tracer's own `__repr__`.
    """
    import jax

    from nlsq.core.model.carry import proxy

    here = threading.get_ident()

    def refused(tracer):
        asking = sys._getframe(1)
        while asking.f_globals is vars(proxy):  # the text of a proxy is that of what it holds
            asking = asking.f_back
        if threading.get_ident() != here or is_only_said(asking.f_code, asking.f_lasti):
            return usual(tracer)
        raise TypeError("it makes a text of a value, which is not there while JAX traces")

    with _texts:
        usual = jax.core.Tracer.__repr__  # not another thread's, which waits for it
        jax.core.Tracer.__repr__ = refused
        try:
            yield
        finally:
            jax.core.Tracer.__repr__ = usual


def with_data(function: Callable, xdata) -> Callable:
    """`function` with the data fixed."""
    return lambda _, params: function(xdata, params)


def frozen(call: Callable) -> Callable:
    """`call` traced once for each form of its arguments.

    When JAX traces a program again (another setting, a cleared cache) the user's object may have
    changed, and the program's key is that of the object as it was.

    Raises
    ------
    TraceFailed
        By what is returned, whatever the function or its derivative raised.
    """
    import jax

    from nlsq.core.model.elementary import replacing

    traces: dict = {}

    def again(x, params, points):
        leaves, treedef = jax.tree.flatten((x, params))
        key = (treedef, points, *(jax.typeof(leaf) for leaf in leaves))
        try:
            if key not in traces:

                def flat(*leaves):
                    return call(*jax.tree.unflatten(treedef, leaves), points)

                traces[key] = short(jax.make_jaxpr(flat)(*leaves))
            return replacing.evaluate(traces[key], *leaves)[0]
        except TRACE_ERRORS as error:
            raise TraceFailed(first_line(error)) from error

    return again


def sized(function, shape: tuple | None = None) -> Callable:
    """call(x, params, points): model value as a float or complex vector of `points` elements.

    shape: `Abscissae.value_shape`.
    """
    import jax.numpy as jnp

    def call(x, params, points):
        value = function(x, params)
        refuse_value(value)
        value = jnp.asarray(value)
        if points is not None and not fits(value.shape, points, shape):
            raise wrong_value(value.shape, points, shape)
        value = jnp.ravel(value)
        if not jnp.issubdtype(value.dtype, jnp.inexact) or value.dtype in (
            jnp.float32, jnp.float16, jnp.bfloat16,
        ):  # fmt: skip
            value = value.astype(float)
        if points is not None and value.shape[0] != points:
            value = jnp.broadcast_to(value, (points,))
        return value

    return call


def trace(call: Callable, x: Abscissae | None, shapes, n: int, points: int):
    """Closed jaxpr of call(leaves..., p_1, ..., p_n); checks the number of values."""
    import jax

    def flat(*args):
        leaves, params = args[: len(shapes)], args[len(shapes) :]
        tree = None if x is None else jax.tree.unflatten(x.treedef, leaves)
        return call(tree, list(params), points)

    scalar = jax.ShapeDtypeStruct((), np.dtype(float))
    return short(jax.make_jaxpr(flat)(*shapes, *([scalar] * n)))


def trace_at(call: Callable, x: Abscissae, n: int, length: int):
    """Closed jaxpr of the model with data of this length."""
    import jax

    shapes = [
        jax.ShapeDtypeStruct(_resized(a.shape, axis, length), a.dtype)
        for a, axis in zip(x.leaves, x.axes, strict=True)
    ]
    return trace(call, x, shapes, n, length)


def _resized(shape, axis, length):
    return shape if axis is None else (*shape[:axis], length, *shape[axis + 1 :])


def short(program):
    """A program that is not too long to compile; one that is raises ValueError."""
    if (count := count_equations(program)) > MOST_EQUATIONS:
        raise ValueError(TOO_LONG.format(count))
    return program


def require_derivative(program, n: int) -> None:
    """Raise where a program has no derivative in forward mode by its last n inputs.

    What JAX raises. Only of a function with a derivative rule of the user's own does it come late.
    """
    import jax

    if "custom_vjp" not in str(program):
        return

    def rows(leaves, p, directions):
        _, push = jax.linearize(lambda p: xla.evaluate(program, *leaves, *p)[0], p)
        return jax.vmap(push)(directions)

    forms = [jax.ShapeDtypeStruct(a.shape, a.dtype) for a in program.in_avals]
    leaves, p = forms[: len(forms) - n], forms[len(forms) - n :]
    jax.eval_shape(rows, leaves, p, [jax.ShapeDtypeStruct((n,), a.dtype) for a in p])


TOO_LONG = "it makes {:,} operations in one call (a loop in Python?), too many to compile"


def first_line(error: BaseException) -> str:
    import jax

    if isinstance(error, TraceFailed):
        return error.reason
    if isinstance(error, jax.errors.TracerArrayConversionError):
        return "it passes its arguments to NumPy or another library that wants plain arrays"
    if isinstance(error, jax.errors.ConcretizationTypeError):
        return "it needs the plain value of an argument (`if`, `float()`, `int()`, a loop bound)"
    text = str(error).strip()
    line = text.splitlines()[0] if text else type(error).__name__
    return line if len(line) <= 160 else line[:157] + "..."
