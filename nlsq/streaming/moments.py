"""Sums over all points at the solution, for the statistics of a streamed fit: one more pass."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from nlsq.caching import programs
from nlsq.core.passes import blocks
from nlsq.streaming.full_passes import FullPasses
from nlsq.streaming.problem import StreamedProblem


class Moments(NamedTuple):
    """Sums over the points of weights w = 1 / sigma > 0 (1 where there is none)."""

    chi_squared: float  # w^2 |f - y|^2, before the loss
    squares: float  # |f - y|^2
    absolute: float  # |f - y| (real and imaginary parts each)
    total: float  # w^2 |y - weighted mean|^2


def moments(problem: StreamedProblem, whole: FullPasses, p: np.ndarray) -> Moments:
    """The sums at the parameters p, by a pass over all data.

    The total is taken about the sample's mean c and then moved: with W = sum w^2 and
    S = sum w^2 (y - c), it is sum w^2 |y - c|^2 - |S|^2 / W, which cancels little as c is close.
    """
    model, layout = problem.model, problem.layout
    sample = problem.survey.sample
    center = np.mean(sample.counted(sample.y))

    def build():
        call = model.traceable(problem.survey.sample.x)

        def sums(leaves, y, weights, cholesky, places, p, center):
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
                return jnp.stack(
                    [
                        add(w**2 * _square(d)), add(_square(d)), add(size),
                        add(w**2 * _square(about)), add(w**2 * jnp.ones_like(size)), *real,
                    ]
                )  # fmt: skip

            total = blocks.add_up(layout, data, part, jnp.zeros(7))
            return total, blocks.checksum_of(layout, data)

        return programs.compiled(sums)

    program = programs.cache.get_or_make(("moments", problem.key, layout, model.n), build)
    found = whole.fold(lambda given: program(*given, p, center))
    chi_squared, squares, absolute, about, w, real, imaginary = jax.device_get(found).tolist()
    total = about - (real**2 + imaginary**2) / w if w > 0 else 0.0
    return Moments(chi_squared, squares, absolute, max(total, 0.0))


def _square(values):
    return values.real**2 + values.imag**2 if jnp.iscomplexobj(values) else values**2
