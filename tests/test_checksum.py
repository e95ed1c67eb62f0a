"""The checksum of a pass: by its formula in plain integers, on both roads, and what it notices."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nlsq.config import double_precision
from nlsq.core.loop.state import Setup
from nlsq.core.passes import blocks as passes

pytestmark = pytest.mark.core
CAPACITY, LANES = 4096, passes.TILE
FULL, HALF = 2**64 - 1, 2**32 - 1


def splitmix(k):
    """SplitMix64 after Steele, Lea and Flood (2014), from the seed 0."""
    z = (k + 1) * 0x9E3779B97F4A7C15 & FULL
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9 & FULL
    z = (z ^ z >> 27) * 0x94D049BB133111EB & FULL
    return z ^ z >> 31


def expected(numbers):
    """h of one row, number by number."""
    bits, m = numbers.view(np.uint64).tolist(), len(numbers)
    lanes = [0] * LANES
    for t in range(-(-m // LANES)):
        first = min(t * LANES, m - LANES)
        for lane in range(LANES):
            b = bits[first + lane]
            keyed = b ^ splitmix(t)
            lanes[lane] += b + (keyed & HALF) * (keyed >> 32)
    mixed = [(h & FULL) ^ (h & FULL) >> 32 for h in lanes]
    return sum((splitmix(lane) | 1) * h for lane, h in enumerate(mixed)) & FULL


def decay(x, p, points):
    return p[0] * jnp.exp(-p[1] * x)


def coupled_in_name_only(x, p, points):
    """The same values, but not elementwise: goes by blocks."""
    return p[0] * jnp.exp(-p[1] * jnp.sort(x))


@functools.cache
def one_pass(call, weighted):
    """Compiled for any length up to the capacity."""
    layout = passes.Layout(256, CAPACITY, (0,), jax.tree.structure(0), weighted, False, False, True)
    rest = np.ones(2), 0.0, 0.0, 0.0, 1, 1.0, 1.0, np.inf
    setup = Setup(np.ones(2), -np.ones(2), np.ones(2), np.ones(2), *rest)

    def run(data):
        return passes.make_reduce(call, layout, None, data, setup)(jnp.ones(2), jnp.eye(2))

    return jax.jit(run)


def checksum(call, x, y, weights=None):
    """Of one pass over the data, from buffers that hold something else beyond them."""
    m = len(y)

    def padded(values):
        buffer = np.full(CAPACITY, 7.0)
        buffer[:m] = values
        return buffer

    data = passes.Data(
        (padded(x),), padded(y), None if weights is None else padded(weights), None, m
    )
    with double_precision():
        sums = one_pass(call, weights is not None)(data)
        return np.asarray(sums.checksum).tolist()


def numbers(m, seed=0):
    rng = np.random.default_rng(seed)
    return rng.standard_normal(m), rng.standard_normal(m) * 10.0 ** rng.integers(-300, 300, m)


@pytest.mark.parametrize("m", [64, 65, 127, 128, 1000, 4095, 4096])
@pytest.mark.parametrize("call", [decay, coupled_in_name_only])
def test_formula(call, m):
    x, y = numbers(m)
    weights = np.linspace(1.0, 2.0, m)
    assert checksum(call, x, y) == [expected(x), expected(y)]
    assert checksum(call, x, y, weights) == [expected(v) for v in (x, y, weights)]


def test_one_bit_anywhere():
    x, y = numbers(200)
    before = checksum(decay, x, y)
    for at in (0, 63, 64, 130, 199):
        for bit in (0, 31, 32, 51, 52, 62, 63):
            changed = y.copy()
            changed.view(np.uint64)[at] ^= np.uint64(1 << bit)
            assert checksum(decay, x, changed)[1] != before[1]


@pytest.mark.parametrize(
    "change",
    {
        "signs": np.negative,
        "backwards": lambda v: v[::-1],
        "halves": lambda v: np.roll(v, 512),
        "next": lambda v: np.roll(v, 1),
        "zeros": np.zeros_like,
        "-0": lambda v: v * np.where(np.arange(len(v)) % 64 < 2, -1.0, 1.0),
        "two": lambda v: np.r_[v[64], v[1:64], v[0], v[65:]],
    }.items(),
    ids=lambda item: item[0],
)
@pytest.mark.parametrize("whole", [False, True])
def test_what_sums_would_overlook(change, whole):
    """Changes that leave the sum of the bits, or each of its lanes, as it was."""
    x, y = numbers(1024)
    if whole:  # the lower halves of such numbers are 0
        y = np.random.default_rng(1).integers(-50, 50, 1024) + 0.5
    changed = np.ascontiguousarray(change[1](y))
    assert (changed != y).any()
    assert checksum(decay, x, changed)[1] != checksum(decay, x, y)[1]
