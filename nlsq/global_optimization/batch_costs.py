"""Costs of many parameter vectors on batches of data, block by block.

A batch is cut into blocks of `BLOCK` rows, and what comes back are the costs of each block at each
vector: sums over a fixed number of rows in a fixed order, so that what is made of them does not
depend on how the rows came in batches. A program takes all blocks and vectors in one call. NumPy
calls the user's own function for one vector and some thousand rows at a time; a call for many
vectors would not be quicker.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any, NamedTuple

import numpy as np

from nlsq.config import double_precision
from nlsq.core.model.calls import CurveCall
from nlsq.core.model.identity.walk import model_key
from nlsq.core.model.model import Model, parameter_names
from nlsq.core.problem.observations import COMPLEX_MODEL
from nlsq.core.problem.options import Options
from nlsq.utils.given import fits, model_value, wrong_value

BLOCK = 1024  # rows whose costs are one number
_CALL = 64  # blocks that a program takes at once; each core is given such a call
_TILE = 8  # vectors whose costs a program works out together
_CALL_NUMPY = 8  # blocks for which the user's function is called: its values stay in cache


class Batch(NamedTuple):
    """Rows of data, checked."""

    x: np.ndarray  # (b,) or (k, b)
    y: np.ndarray  # (b,), real or complex
    weights: np.ndarray | None  # (b,) 1 / sigma; a row of weight 0 does not count

    def rows(self, first: int, stop: int | None = None) -> Batch:
        """The rows first ... stop - 1 (views)."""
        weights = None if self.weights is None else self.weights[first:stop]
        return Batch(self.x[..., first:stop], self.y[first:stop], weights)

    def followed_by(self, other: Batch) -> Batch:
        """These rows, then the others."""
        pairs = zip(self, other, strict=True)
        return Batch(*(None if a is None else np.concatenate([a, b], axis=-1) for a, b in pairs))


class BatchCosts:
    """``costs(P, which, batch)``: (blocks, k) costs of the vectors P (k, n) that `which` names.

    The others cost 0, and NaN is the cost where the model fails; `reason` is what it said when it
    first raised. The last block may have fewer rows than `BLOCK`.

    Parameters
    ----------
    model : Model
        Pointwise, its road chosen.
    options : Options
        With the loss and its scale.
    sample : Abscissae, optional
        x of the form of the batches', for a program.
    """

    def __init__(self, model: Model, options: Options, sample: Any = None):
        self._model, self._sample = model, sample
        self._loss, self._f_scale = options.loss_function, options.f_scale
        self._key: Hashable = (model.program_key, model_key(options.loss))
        self.reason = ""

    @classmethod
    def of(cls, f: Callable, n: int) -> BatchCosts:
        """Those of a plain function f(x, a, b, ...), without a loss, by NumPy.

        Raises
        ------
        TypeError
            It does not take n parameters.
        """
        parameter_names(f, n)
        model = Model(CurveCall(f), n, getattr(f, "__name__", type(f).__name__))
        model.interpret("it is called as it is", final=True, pointwise=True)
        return cls(model, Options())

    def __call__(self, P: np.ndarray, which: np.ndarray, batch: Batch) -> np.ndarray:
        if not (len(which) and len(batch.y)):
            return np.zeros((-(-len(batch.y) // BLOCK), len(P)))
        with double_precision(), np.errstate(all="ignore"):
            way = self._by_numpy if self._model.on_host else self._by_program
            return way(P, which, batch)

    # --------------------------------------------------------------------------------- NumPy

    def _by_numpy(self, P: np.ndarray, which: np.ndarray, batch: Batch) -> np.ndarray:
        size = BLOCK * _CALL_NUMPY
        parts = (batch.rows(k, k + size) for k in range(0, len(batch.y), size))
        return np.concatenate([self._of_part(P, which, part) for part in parts])

    def _of_part(self, P: np.ndarray, which: np.ndarray, part: Batch) -> np.ndarray:
        whole, rest = divmod(len(part.y), BLOCK)
        costs = np.zeros((whole + bool(rest), len(P)))
        for j in which:
            try:
                value = self._value(part, P[j])
            except Exception as error:  # the user's function
                if not self._model.take_refusal():
                    raise
                self.reason = self.reason or f"{type(error).__name__}: {error}"
                costs[:, j] = np.nan
                continue
            each = _costs_of_rows(self._loss, self._f_scale, value, part, np)
            costs[:whole, j] = each[: whole * BLOCK].reshape(whole, BLOCK).sum(axis=-1)
            if rest:
                costs[whole, j] = each[whole * BLOCK :].sum()
        return costs

    def _value(self, part: Batch, p: np.ndarray) -> np.ndarray:
        value = model_value(self._model.evaluate(part.x, p))
        if not fits(value.shape, len(part.y), None):
            raise wrong_value(value.shape, len(part.y), None)
        if np.iscomplexobj(value) and not np.iscomplexobj(part.y):
            raise TypeError(COMPLEX_MODEL)
        return np.broadcast_to(value.ravel(), part.y.shape)

    # ------------------------------------------------------------------------------- programs

    def _by_program(self, P: np.ndarray, which: np.ndarray, batch: Batch) -> np.ndarray:
        from nlsq import xla

        order = np.zeros(-(-len(P) // _TILE) * _TILE, int)
        order[: len(which)] = which
        program, size, found = self._program(len(order), batch), BLOCK * _CALL, []
        for k, first in enumerate(range(0, len(batch.y), size)):
            part = batch.rows(first, first + size)
            numbers = np.array(len(part.y)), P[order], np.array(len(which)), self._f_scale
            with xla.stream(k + 1):  # the calls of one stream run one after the other
                found.append((program(*_filled_up(part), *numbers), -(-len(part.y) // BLOCK)))
        table = np.concatenate([np.asarray(costs)[:count] for costs, count in found])
        costs = np.zeros((len(table), len(P)))
        costs[:, which] = table[:, : len(which)]
        return costs

    def _program(self, k: int, batch: Batch) -> Callable:
        """(x, y, weights, rows, P (k, n), count, f_scale) -> (_CALL, k) costs, of `count` vectors.

        A tile of vectors at a time, which takes half the time of one vector after the other.
        """
        import jax
        import jax.numpy as jnp

        from nlsq.caching import programs
        from nlsq.core.passes import blocks

        def build():
            call, loss = self._model.traceable(self._sample), self._loss

            def costs(x, y, weights, m, P, count, f_scale):
                def block(b, table):
                    def cut(array):
                        axis = array.ndim - 1
                        return jax.lax.dynamic_slice_in_dim(array, b * BLOCK, BLOCK, axis)

                    part = Batch(cut(x), cut(y), None if weights is None else cut(weights))
                    inside = b * BLOCK + jnp.arange(BLOCK) < m

                    def one(p):
                        value = blocks.evaluate(call, part.x, p, BLOCK)
                        each = _costs_of_rows(loss, f_scale, value, part, jnp)
                        return jnp.sum(jnp.where(inside, each, 0.0))

                    def tile(i, row):
                        some = jax.lax.dynamic_slice_in_dim(P, i * _TILE, _TILE)
                        found = jax.vmap(one)(some)
                        return jax.lax.dynamic_update_slice_in_dim(row, found, i * _TILE, 0)

                    tiles = (count + _TILE - 1) // _TILE
                    return table.at[b].set(jax.lax.fori_loop(0, tiles, tile, jnp.zeros(k)))

                return jax.lax.fori_loop(0, (m + BLOCK - 1) // BLOCK, block, jnp.zeros((_CALL, k)))

            return programs.compiled(costs)

        form = batch.x.shape[:-1], batch.weights is not None, np.iscomplexobj(batch.y)
        return programs.cache.get_or_make(
            ("costs of batches", self._key, form, k, self._model.n), build
        )


def _costs_of_rows(loss: Callable | None, f_scale, value: Any, part: Batch, xp: Any) -> Any:
    """What each row adds to the cost."""
    r = value - part.y
    if part.weights is not None:
        r = xp.where(part.weights > 0, r * part.weights, 0.0)
    parts = (r.real, r.imag) if xp.iscomplexobj(part.y) else (r,)
    if loss is None:
        return 0.5 * sum(v * v for v in parts)
    return sum(0.5 * f_scale**2 * loss((v / f_scale) ** 2, xp)[0] for v in parts)


def _filled_up(part: Batch) -> tuple:
    """Arrays of `_CALL` blocks, the last row again and again where there are fewer."""
    lacking = BLOCK * _CALL - len(part.y)
    if not lacking:
        return part
    return tuple(
        None if a is None else np.pad(a, [(0, 0)] * (a.ndim - 1) + [(0, lacking)], mode="edge")
        for a in part
    )
