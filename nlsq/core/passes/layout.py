"""How a fit's data are laid out for its passes: sizes of blocks, tiles and chunks, and arrays.

The passes that take them are in `blocks`.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

# (points in a block, points up to which): small blocks waste little on few points, large ones cost
# less per point
SIZES = (256, 1 << 12), (1024, 1 << 18)
BLOCK, CAPACITY = 2048, 1 << 20
# (points in a chunk, points up to which): enough chunks to keep the cores busy, few enough that a
# call, some 0.1 ms, costs little
CHUNKS = (1 << 16, 1 << 19), (1 << 18, math.inf)
TILE = 64  # points; divides the blocks
LENGTHS = TILE, *(size for size, _ in SIZES), BLOCK  # that a pointwise model is shown at once
SLACK = 8  # elements a chunk's arrays are longer, so that they may begin at an aligned address


class Layout(NamedTuple):
    """How data arrive; static and hashable. `block` 0 means whole, unpadded arrays."""

    block: int
    capacity: int
    axes: tuple  # per x leaf: the axis that runs over the points, None for a leaf without one
    treedef: Any
    weighted: bool
    whitened: bool  # a Cholesky factor of the data covariance is given
    paired: bool  # complex residuals count as (real, imaginary) pairs
    # of data that nobody has looked at and that begin where their buffers do: take a checksum, and
    # let the residual be NaN where a weight has a sign or, where that is wanted, x or y is not
    # finite
    checked: bool = False
    finite: bool = False
    idle: bool = False  # there are, or may be, points of weight 0, which must not count


class Data(NamedTuple):
    """Arrays of one fit, laid out as `Layout` says."""

    leaves: tuple
    y: Any
    weights: Any  # (capacity,) 1 / sigma, or None
    cholesky: Any  # (m, m), or None
    m: Any  # number of points, a scalar
    starts: Any = None  # int per array (*leaves, y, weights): where its points begin; None: 0


def choose_layout(m: int, pointwise: bool, chunked: bool, **facts) -> Layout:
    """Block size and capacity for m points. Lengths of one size class share a program."""
    if not pointwise or facts["whitened"]:
        return Layout(0, m, **facts)
    if chunked:
        return Layout(BLOCK, next(size for size, most in CHUNKS if m <= most), **facts)
    for block, capacity in SIZES:
        if m <= capacity:
            return Layout(block, capacity, **facts)
    return Layout(BLOCK, -(-m // CAPACITY) * CAPACITY, **facts)
