"""The functions a formula may call: under NumPy, and in a JAX trace by JAX's counterpart."""

from __future__ import annotations

import functools
import importlib
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

CONSTANTS = {
    "pi": 3.141592653589793,
    "e": 2.718281828459045,
    "inf": float("inf"),
    "nan": float("nan"),
}


class Entry(NamedTuple):
    """Where a function lives, how many arguments it takes, and its LaTeX with ``#1`` for the first.

    `jax` is empty where JAX has no counterpart: the engine carries such a formula by its own one.
    """

    numpy: str
    jax: str
    arguments: tuple[int, int]
    latex: str
    boolean: bool = False


def _operator(name: str) -> str:
    return rf"\operatorname{{{name}}}"


def _table() -> dict[str, Entry]:
    table: dict[str, Entry] = {}

    def add(names: str, *, home="numpy", jax="jax.numpy", arguments=1, latex="", boolean=False):
        most = arguments if isinstance(arguments, tuple) else (arguments, arguments)
        for pair in names.split():
            name, _, target = pair.partition("=")
            target = target or name
            written = latex or _operator(name)
            counterpart = f"{jax}:{target}" if jax else ""
            table[name] = Entry(f"{home}:{target}", counterpart, most, written, boolean)

    for name in "exp sin cos tan sinh cosh tanh".split():
        add(name, latex=rf"\{name}")
    add("log ln=log", latex=r"\ln")
    add("log10", latex=r"\log_{10}")
    add("log2", latex=r"\log_{2}")
    add("exp2", latex="2^{#1}")
    add("log1p", latex=r"\ln\left(1 + #1\right)")
    add("expm1", latex=r"\left(e^{#1} - 1\right)")
    add("sqrt", latex=r"\sqrt{#1}")
    add("cbrt", latex=r"\sqrt[3]{#1}")
    for short in "sin cos tan sinh cosh tanh".split():
        latex = rf"\arc{short}" if len(short) == 3 else _operator("ar" + short)
        add(f"a{short}=arc{short} arc{short}", latex=latex)
    add("atan2=arctan2 arctan2", arguments=2, latex=_operator("atan2"))
    add("abs fabs=abs", latex=r"\left|#1\right|")
    add("floor", latex=r"\left\lfloor #1 \right\rfloor")
    add("ceil", latex=r"\left\lceil #1 \right\rceil")
    add("sign trunc sinc radians degrees square")
    add("deg2rad=radians rad2deg=degrees")
    add("hypot", arguments=2, latex=r"\sqrt{#1^2 + #2^2}")
    add("mod", arguments=2, latex=r"#1 \bmod #2")
    add("power pow=power", arguments=2, latex="{#1}^{#2}")
    add("minimum", arguments=2, latex=r"\min")
    add("maximum", arguments=2, latex=r"\max")
    add("where", arguments=3)
    add("isnan isfinite isinf", boolean=True)
    here = {"home": __name__, "jax": __name__}
    add("heaviside=_heaviside", arguments=(1, 2), latex=r"\Theta", **here)
    add("clip=_clip", arguments=3, **here)
    add("min=_least", arguments=(2, 20), latex=r"\min", **here)
    add("max=_greatest", arguments=(2, 20), latex=r"\max", **here)
    special = {"home": "scipy.special", "jax": "jax.scipy.special"}
    add("erf erfc erfinv expit", **special)
    add("gamma", latex=r"\Gamma", **special)
    add("lgamma=gammaln gammaln", latex=r"\ln\Gamma", **special)
    add("digamma", latex=r"\psi", **special)
    add("beta", arguments=2, latex=r"\mathrm{B}", **special)
    add("i0 i1 i0e i1e", **special)
    for n in (0, 1):
        add(f"j{n} besselj{n}=j{n}", home="scipy.special", jax="", latex=f"J_{n}")
        add(f"k{n} besselk{n}=k{n}", home="scipy.special", jax="", latex=f"K_{n}")
    add("voigt=voigt_profile", home="scipy.special", jax="", arguments=3)
    return table


def _heaviside(xp: Any, x: Any, half: Any = 0.5) -> Any:
    return xp.heaviside(x, half)


def _clip(xp: Any, x: Any, low: Any, high: Any) -> Any:
    return xp.minimum(xp.maximum(x, low), high)


def _least(xp: Any, *values: Any) -> Any:
    return functools.reduce(xp.minimum, values)


def _greatest(xp: Any, *values: Any) -> Any:
    return functools.reduce(xp.maximum, values)


FUNCTIONS = _table()


@functools.cache
def _target(path: str, namespace: str) -> Callable:
    module, name = path.split(":")
    if module == __name__:
        return functools.partial(globals()[name], importlib.import_module(namespace))
    return getattr(importlib.import_module(module), name)


def traced(values: tuple) -> bool:
    """Whether one of the values is JAX's, as inside a trace."""
    jax = sys.modules.get("jax")
    array = getattr(jax, "Array", None)
    return array is not None and any(isinstance(v, array) for v in values)


@dataclass(frozen=True)
class Function:
    """A function of a formula; it holds its name only, by which equal formulas are told equal.

    Examples
    --------
    >>> float(Function("heaviside")(2.0))
    1.0
    """

    name: str

    def __call__(self, *args: Any) -> Any:
        entry = FUNCTIONS[self.name]
        if traced(args):
            if not entry.jax:
                raise TypeError(f"JAX has no {self.name}")
            return _target(entry.jax, "jax.numpy")(*args)
        return _target(entry.numpy, "numpy")(*args)


@dataclass(frozen=True)
class Logical:
    """`and`, `or`, `not` of a formula, point by point."""

    name: str  # logical_and, logical_or, logical_not

    def __call__(self, *args: Any) -> Any:
        namespace = "jax.numpy" if traced(args) else "numpy"
        return _target(f"{namespace}:{self.name}", namespace)(*args)


@dataclass(frozen=True)
class SameText:
    """``column == 'text'``; a column of numbers is never equal to a text, so it is refused."""

    name: str

    def __call__(self, column: Any, text: str) -> Any:
        import numpy as np

        values = np.asarray(column)
        if values.dtype.kind not in "UOT":
            raise TypeError(text)
        return np.equal(values, text) if values.dtype.kind == "T" else values == text
