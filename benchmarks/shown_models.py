"""Models and data at random, for `shown`: what a model computes, what it asks, how it asks it.

A model is source text in terms of `xp`, so that the same text is the model, with `jax.numpy` or
NumPy for it, and the truth about the model, with NumPy.
"""

from __future__ import annotations

import functools
import math
import operator
import random
import types
from typing import Any

import jax.numpy as jnp
import numpy as np

LIMITS = 1, 64, 100, 256, 1024, 2048
LENGTHS = (1, 2, 3, 17, 63, 64, 65, 100, 255, 256, 257, 1000, 1023, 1024, 1025, 2047, 2048, 2049,
           5000, 40_000)  # fmt: skip
FEW = 300  # points up to which a loop over them is tried
OF_POINTS = """
    a * x + b; a * xp.exp(-b * x); a * x**b; xp.where(x > a, a * x, b); a * (x > 1.3) + b * x
    xp.clip(a * x, 0.4, b); xp.polyval(xp.array([a, b, 0.3]), x); a * xp.sin(b * x); x**3 - a
    xp.interp(x, grid, heights) * a; xp.sqrt(x * x + a * a); a / (1 + xp.exp(b - x)); b * x[...]
    xp.minimum(a * x, b); xp.abs(x - a) + b; a * (x % 0.7); a * xp.floor(x) + b; sum([x, a, b])
    xp.select([x < 1.0, x < 2.0], [a * x, b * x], 0.5); a * xp.tanh(x).astype("float32")
    a * xp.logaddexp(x, b); xp.stack([x, b * x]).sum(axis=0); xp.ones_like(x) * b; a * w + b * x
    xp.outer(x, xp.array([a, b])) @ xp.ones(2); xp.searchsorted(grid, x) * a; (a, b)[0] * x.T
    max(a, b) * x; math.exp(-a) * x + b; x.clip(0.5, a) + b; x.round(1) * a; x.astype(int) * a + b
    abs(x - b) ** a; (-x) * a + (+b); 1 / (a + x) + divmod(x, 0.6)[1]; np.array([1.0, 2.0])[1] * x
    kernel(x, a, b); np.vectorize(lambda u: a * u + b)(x) if len(x) < 70 else a * x; a * round(b, 1)
"""
OF_ALL = """
    x.max(); x.mean(); x[0]; x[-1]; xp.diff(x, prepend=0.0); xp.sort(x); x[::-1]
    xp.argsort(x, stable=True)
    xp.cumsum(x); xp.convolve(x, three, "same"); xp.linspace(0, a, len(x)); xp.arange(x.size) * b
    x / len(x); xp.array(sorted(x)); xp.median(x); xp.ones(len(x)).sum() * a; table * b; x[limit]
    x - x.min(); xp.trapezoid(x, dx=a); xp.roll(x, 1); xp.array([b * i for i, _ in enumerate(x)])
    xp.array([a * u for u in x]); xp.array([u + t for u, t in zip(x, table)]); (x * a).sum() / 9
    xp.linalg.norm(x); xp.repeat(a, len(x)); xp.full(x.shape, b); x.reshape(-1, 1).sum(axis=1)
    xp.interp(x, xp.linspace(0, 3, len(x) + 1), xp.arange(len(x) + 1.0)); x[:limit].sum()
"""
QUESTIONS = """
    len(x) > limit; len(x) >= limit; x.size < limit; x.shape[0] <= limit; np.size(x) > limit
    x.shape == table.shape; len(x) == len(table); len(x) % 2; x.size & 1; np.shape(x)[-1] > limit
    max(i for i, _ in enumerate(x)) >= limit; len(list(zip(x, table))) < limit; bool(x[limit:].size)
    sum(1 for _ in x) > limit; len([u for u in x]) == limit; x.nbytes > 8 * limit; x is kept
    isinstance(x, np.ndarray); isinstance(a, float); np.isscalar(a); type(a) is np.float64
    type(x) is np.ndarray; x.dtype == np.float64; x.dtype.kind == "f"; hasattr(x, "strides")
    hasattr(a, "is_integer"); hasattr(x, "at"); isinstance(a, np.floating); x.ndim == 1; x[0] > 1
    x.max() > 2; np.any(x > 2.9); a > 1.05; float(b) > 0.9; "float64" in repr(a); callable(x.tolist)
    isinstance(x, (list, tuple)); x.flags.c_contiguous; x.flags.writeable; np.array_equal(x, table)
    x.mean() > 1.5; len(str(x)) > limit; np.ndim(a) == 0; x.itemsize == 8; hash(a) == hash(float(a))
    len(x0) > limit; x0.shape[-1] > limit; x0.size > limit; x0.ndim == 2; x0 is kept; limit % 2
    range(len(x))[-1] > limit; len(x.tolist()) > limit; x.__len__() > limit; x.shape > table.shape
    np.broadcast(x, 1.0).size > limit; operator.length_hint(x) > limit; np.prod(x.shape) > limit
    id(x) == id(kept); np.shares_memory(x, kept); x.strides == (8,); x0.flags.c_contiguous
    fits(lambda: x + table); fits(lambda: x[limit]); fits(lambda: x.reshape(limit, -1)); x in (1, 2)
    len(str(a)) > 3; int(b * 3) == 2; getattr(x, "si" + "ze") > limit; x.any(); bool(a) and b > 0.9
    sorted([a, b])[0] == a; math.isfinite(a); isinstance(x, (np.ndarray, float)); a is b; min(x) < 1
    memoryview(x).nbytes > 8 * limit; x.T.shape[0] > limit; next(iter(x.shape)) > limit; round(a)
"""
ROUTES = {
    "directly": "{}",
    "by a helper": "helper(x0, x, a, b)",
    "by a partial": "partial(helper, b=b)(x0, x, a)",
    "by a method": "asker.asks(x0, x, a, b)",
    "by a class": "Asker.asks(None, x0, x, a, b)",
    "by a wrapper": "wrapped(x0, x, a, b)",
    "in a comprehension": "all([{} for _ in (0, 1)])",
    "by a module": "module.helper(x0, x, a, b)",
    "by a table": "{{0: helper}}[0](x0, x, a, b)",
    "by what a method holds": "asker.held(x0, x, a, b)",
    "by a lambda": "(lambda x: {})(x)",
    "caught": "fits(lambda: 1 / bool({}))",
}
TEXT = """
def fits(try_it):
    try:
        try_it()
    except Exception:
        return False
    return True

class Asker:
    limit = limit
    def asks(self, x0, x, a, b):
        limit = Asker.limit
        return {question}

def helper(x0, x, a, b):
    return {question}

@wraps(helper)
def wrapped(*args):
    return not helper(*args)

def kernel(x, a, b):
    if xp is not np:
        return xp.where(x > 1, b, 0.0) + a * x
    y = np.zeros(x.shape)
    y[x > 1] = b
    return y + a * x

asker, module = Asker(), ModuleType("own")
asker.held = module.helper = helper

def f(x0, a, b):
    {rows}
    y = {first}
    if {asked}:
        y = y {joined} held["v"] * ({second})
    return y{last}
"""


def pieces(text: str) -> list[str]:
    """The expressions of a list above."""
    return [piece.strip() for piece in text.replace("\n", ";").split(";") if piece.strip()]


class Draw:
    """A model, its truth, and two data for it; between the two a value it holds may change."""

    def __init__(self, rng: random.Random, lengths_drawn=LENGTHS):
        self.xp = rng.choice((np, np, jnp))
        self.rows = rng.random() < 0.15
        lengths = [rng.choice(lengths_drawn) for _ in range(2)]
        if rng.random() < 0.3:
            lengths[1] = lengths[0]
        near = rng.choice((*LIMITS, lengths[0], lengths[1]))
        limit = max(near + rng.choice((-1, 0, 0, 1)), 1)
        of_all = [p for p in pieces(OF_ALL) if " in " not in p or max(lengths) <= FEW]
        second, last = (rng.choice(pieces(OF_POINTS)) for _ in range(2))
        if rng.random() < 0.25:
            second = rng.choice(of_all)
        question = rng.choice(pieces(QUESTIONS)) if rng.random() < 0.8 else "True"
        self.text = TEXT.format(
            question=question,
            rows="x, w = x0" if self.rows else "x, w = x0, 1.0",
            first=rng.choice(pieces(OF_POINTS)),
            asked=rng.choice(list(ROUTES.values())).format(question),
            joined=rng.choice("+-*"),
            second=second,
            last=f" + {last}" if rng.random() < 0.3 else "",
        )
        self.seed = rng.randrange(1 << 30)
        self.data = [self._data(rng, m) for m in lengths]
        kept = self.data[0] if rng.random() < 0.7 else np.ones(3)
        shared = {"limit": limit, "kept": kept, "held": {"v": 1.25}}
        shared["table"] = 1.0 + np.sin(np.arange(rng.choice((limit, lengths[0])))) / 2
        self.held = shared["held"]
        self.edited = rng.random() < 0.5
        self.model, self.truth = (self._function(xp, shared) for xp in (self.xp, np))
        self.name = f"{self.xp.__name__}, limit {limit}, {len(shared['table'])} in the table"

    def _function(self, xp, shared: dict) -> Any:
        scope = {"np": np, "xp": xp, "partial": functools.partial, "wraps": functools.wraps,
                 "operator": operator, "math": math, "ModuleType": types.ModuleType,
                 "grid": np.linspace(0.0, 3.2, 9), **shared}  # fmt: skip
        scope |= {"heights": np.cos(scope["grid"]), "three": np.array([0.2, 0.5, 0.3])}
        exec(self.text, scope)
        return scope["f"]

    def _data(self, rng: random.Random, m: int):
        """xdata in one of the forms that users have."""
        x = np.random.default_rng(rng.randrange(1 << 30)).uniform(0.2, 3.0, (1 + self.rows, m))
        x = x if self.rows else x[0]
        form = rng.choice(("array", "array", "float32", "int", "list", "tuple", "view"))
        if form == "float32":
            return x.astype(np.float32)
        if form == "int":
            return np.ceil(x).astype(int)
        if form == "list":
            return x.tolist()
        if form == "tuple":
            return tuple(x)
        return np.repeat(x, 2, axis=-1)[..., ::2] if form == "view" else x

    def edit(self) -> None:
        """Change what the model holds, for the second data."""
        if self.edited:
            self.held["v"] += 0.5
