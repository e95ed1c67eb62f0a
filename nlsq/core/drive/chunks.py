"""Long data in chunks: their layout, and a pass over all of them."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from contextlib import contextmanager

import jax
import numpy as np

from nlsq import xla
from nlsq.core.drive import staging
from nlsq.core.loop import programs
from nlsq.core.model.model import Model
from nlsq.core.passes.layout import Layout, choose_layout
from nlsq.core.passes.reduction import Sums
from nlsq.core.problem.observations import Observations
from nlsq.device import usable_cores


@contextmanager
def over_chunks(program: Callable, chunks: staging.Chunks, flat: np.ndarray):
    """Yield run(vector), a pass over all chunks, whose Sums are added in the order of the chunks.

    XLA runs a loop over blocks on one core, and the calls of one stream one after the other. So
    each chunk is a stream of its own, which XLA's threads take up as they become free. Nothing
    waits for them here: their sum and the step that takes it begin when all is there.
    """
    pending: deque = deque(maxlen=2 * len(chunks))

    def run(vector) -> Sums:
        totals: list[Sums] = []
        lent: deque = deque()
        for k in range(len(chunks)):
            arguments, buffers = chunks.arguments(k)
            with xla.stream(k + 1):
                totals.append(program(*arguments, flat, vector))
            pending.append(totals[-1])
            lent.append((totals[-1], buffers))
            if len(lent) > usable_cores():
                _take_back(*lent.popleft())
        while lent:
            _take_back(*lent.popleft())
        return programs.add_up(totals)

    try:
        yield run
    finally:
        jax.block_until_ready(list(pending))  # nobody reads the data any more
        chunks.close()


def _take_back(total: Sums, buffers: list) -> None:
    """Release what a chunk was copied to, once its total is there."""
    if buffers:
        jax.block_until_ready(total)
        staging.release(buffers)


def chunk_layout(model: Model, sample: Observations, m: int) -> Layout:
    """Layout of long data, m points of the form of `sample`, which come in chunks."""
    return layout_of(model, sample, m, chunked=True)


def layout_of(model: Model, data: Observations, m: int, chunked: bool) -> Layout:
    fixed = model.resolution.data_fixed
    return choose_layout(
        m,
        model.info.pointwise,
        chunked,
        axes=() if fixed else data.x.axes,
        treedef=_no_leaves() if fixed else data.x.treedef,
        weighted=data.weights is not None,
        whitened=data.factor is not None,
        paired=data.is_complex,
        idle=data.idle is not None,
    )


def _no_leaves():
    return jax.tree.structure(None)
