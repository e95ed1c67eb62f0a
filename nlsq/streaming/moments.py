"""Sums over all points at the solution, for the statistics of a streamed fit: one more pass."""

from __future__ import annotations

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from nlsq.caching import programs
from nlsq.core.passes import blocks
from nlsq.streaming.full_passes import FullPasses
from nlsq.streaming.problem import StreamedProblem


class Moments(NamedTuple):
    """Sums over the points of weights w = 1 / sigma > 0 (1 where there is none).

    Of real data besides, of u = w (f - y) and its neighbour v in the order of the data, as far as
    they are in one block: what a diagnosis asks.
    """

    chi_squared: float  # w^2 |f - y|^2, before the loss
    squares: float  # |f - y|^2
    absolute: float  # |f - y| (real and imaginary parts each)
    total: float  # w^2 |y - weighted mean|^2
    skewness: float = 0.0  # mean u^3, over that of u^2 to the power 3/2
    kurtosis: float = 3.0  # mean u^4, over the square of that of u^2
    correlation: float = 0.0  # sum u v / sum u^2
    score: float = 0.0  # sum u v over the root of sum (u v)^2: normal where no u knows its v
    pairs: int = 0
    changes: int = 0  # pairs of different signs


def moments(problem: StreamedProblem, whole: FullPasses, p: np.ndarray) -> Moments:
    """The sums at the parameters p, by a pass over all data.

    The total is taken about the sample's mean c and then moved: with W = sum w^2 and
    S = sum w^2 (y - c), it is sum w^2 |y - c|^2 - |S|^2 / W, which cancels little as c is close.
    """
    model, layout = problem.model, problem.layout
    sample = problem.survey.sample
    y = sample.counted(sample.y)
    center = np.mean(y)
    weight = 1.0 if sample.weights is None else float(np.median(sample.counted(sample.weights)))
    unit = weight * float(np.std(y)) or 1.0  # so that no fourth power is beyond the numbers

    def build():
        call = model.traceable(problem.survey.sample.x)

        def sums(leaves, y, weights, cholesky, places, p, center, unit):
            data = blocks.Data(leaves, y, weights, cholesky, *places)

            def part(piece):
                d = blocks.evaluate(call, piece.x, p, piece.y.shape[0]) - piece.y
                w = 1.0 if piece.weights is None else piece.weights
                inside = piece.inside[: piece.y.shape[0]] & (w > 0)

                def add(values):
                    return jnp.sum(jnp.where(inside, values, 0.0))

                about = piece.y - center
                size = jnp.abs(d.real) + jnp.abs(d.imag) if layout.paired else jnp.abs(d)
                real = add(w**2 * about.real), add(w**2 * about.imag) if layout.paired else 0.0
                u = jnp.zeros(2) if layout.paired else jnp.where(inside, w * d / unit, 0.0)
                return jnp.stack(
                    [
                        add(w**2 * _square(d)), add(_square(d)), add(size),
                        add(w**2 * _square(about)), add(w**2 * jnp.ones_like(size)), *real,
                        *_in_order(u),
                    ]
                )  # fmt: skip

            total = blocks.add_up(layout, data, part, jnp.zeros(15))
            return total, blocks.checksum_of(layout, data)

        return programs.compiled(sums)

    program = programs.cache.get_or_make(("moments", problem.key, layout, model.n), build)
    found = whole.fold(lambda given: program(*given, p, center, unit))
    sums = jax.device_get(found).tolist()
    chi_squared, squares, absolute, about, w, real, imaginary, *order = sums
    total = about - (real**2 + imaginary**2) / w if w > 0 else 0.0
    return Moments(chi_squared, squares, absolute, max(total, 0.0), *_ratios(*order))


def _in_order(u: jax.Array) -> tuple:
    """Sums over residuals (b,) and their neighbours; those that are 0 do not count."""
    product = u[1:] * u[:-1]
    counts = u != 0, product != 0, product < 0
    powers = jnp.sum(u**2), jnp.sum(u**3), jnp.sum(u**4), jnp.sum(product), jnp.sum(product**2)
    return *powers, *(jnp.sum(count, dtype=u.dtype) for count in counts)


def _ratios(u2, u3, u4, uv, uv2, n, pairs, changes) -> tuple:
    if not (u2 > 0 and uv2 > 0):
        return ()
    mean = u2 / n
    shape = u3 / n / mean**1.5, u4 / n / mean**2
    return *shape, uv / u2, uv / math.sqrt(uv2), int(pairs), int(changes)


def _square(values):
    return values.real**2 + values.imag**2 if jnp.iscomplexobj(values) else values**2
