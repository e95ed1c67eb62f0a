r"""A checksum of the data that a pass reads, taken where they are in registers anyway.

Data that are read in every pass must be the same each time. To read them once more for a digest
takes a third of a pass; here a number costs a shift, an exclusive or, a product of its halves and
two additions. With the 64 bits of a number as an integer b, in lane l of block t, and keys k_t and
odd multipliers c_l that look random,

    h_l = sum_t b_tl + low(b_tl ^ k_t) high(b_tl ^ k_t),    h = sum_l c_l mix(h_l)    mod 2^64,

of halves of 32 bits, and mix(b) = b ^ (b >> 32). The products are the hash NH; the plain sum lets
through what changes in one half when the other is 0, as in XXH3. Other data have the same checksum
with a chance of 2^-32 at most (NH's bound), 2^-64 if they have nothing to do with the first. Keys
and multipliers are those of SplitMix64.

References: J. Black, S. Halevi, H. Krawczyk, T. Krovetz, P. Rogaway, "UMAC: fast and secure message
authentication", CRYPTO 1999; Y. Collet, "XXH3", https://xxhash.com; G. L. Steele, D. Lea,
C. H. Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

_HALF, _LOW = np.uint64(32), np.uint64(0xFFFFFFFF)
_GOLDEN, _FIRST, _SECOND = map(
    np.uint64, (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB)
)


def words(arrays) -> list:
    """A pytree of numbers (..., m), real or complex, as rows of 64-bit integers (m,)."""
    rows = []
    for array in jax.tree.leaves(arrays):
        for part in [array.real, array.imag] if jnp.iscomplexobj(array) else [array]:
            rows += list(part.astype(float).reshape(-1, part.shape[-1]))
    return [jax.lax.bitcast_convert_type(row, jnp.uint64) for row in rows]


def hashed(bits, t):
    """What block number t of a row, b (lanes,), adds to h_l (lanes,)."""
    keyed = bits ^ _random(t)
    return bits + (keyed & _LOW) * (keyed >> _HALF)


def lanes(row, m, size: int):
    """h_l (size,) of the first m numbers of a row, whose last block ends with them."""
    count = row.shape[0] // size
    t = jnp.arange(count)[:, None]
    full = jnp.where(t < m // size, hashed(row[: count * size].reshape(-1, size), t), 0)
    last = jax.lax.dynamic_slice_in_dim(row, jnp.maximum(m - size, 0), size)
    return jnp.sum(full, axis=0) + jnp.where(m % size, hashed(last, m // size), 0)


def combined(rows):
    """h (k,) from the h_l (lanes,) of each of k rows."""
    h = jnp.stack(rows)
    odd = _random(jnp.arange(h.shape[1])) | np.uint64(1)
    return jnp.sum(odd * (h ^ (h >> _HALF)), axis=1)


def _random(k):
    """A 64-bit number for each k."""
    z = (k.astype(np.uint64) + np.uint64(1)) * _GOLDEN
    z = (z ^ (z >> np.uint64(30))) * _FIRST
    z = (z ^ (z >> np.uint64(27))) * _SECOND
    return z ^ (z >> np.uint64(31))
