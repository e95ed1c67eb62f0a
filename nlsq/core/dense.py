r"""Dense n-sized linear algebra of the step, as loops of elementwise operations up to n = SMALL.

XLA's CPU backend runs LAPACK as library calls between which every small operation is a kernel of
its own; for a handful of parameters the calls and launches are the cost of an iteration. Without a
library call the whole step becomes one compiled function (`one_kernel`), measured 4 times as fast
on JAX 0.10 and 0.12. Above SMALL the same names are LAPACK's.

cholesky        right-looking, column by column; NaN where a pivot is not positive
triangularise   Householder reflections of [A b]
jacobi          one-sided Jacobi rotations A V = W until the columns of W are orthogonal, so that
                A = (W / s) diag(s) V^T; singular values have high relative accuracy

Reference: G. H. Golub, C. F. Van Loan, "Matrix Computations", 4th ed., sections 4.2, 5.2, 8.6.
"""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax.experimental.xla_metadata import set_xla_metadata
from jax.scipy.linalg import solve_triangular

SMALL = 16
EPS = 2.220446049250313e-16
MAX_SWEEPS = 30


def one_kernel(f: Callable, n: int) -> Callable:
    """`f`, the step for n parameters, as one compiled function on the CPU if n < SMALL.

    No matrix in it may be larger than SMALL (that of [J r] has n + 1 columns); see `marked`.
    """
    return marked(f) if n < SMALL else f


def marked(f: Callable) -> Callable:
    """`f` as one compiled function on the CPU; other backends ignore the mark.

    The operands must be different arrays, all of them used, none of them a constant, and none may
    be returned as it is: XLA ends the process otherwise.
    """

    def unmarked(*operands):  # the mark would go on to every call inside
        with set_xla_metadata(xla_cpu_small_call=None, inlineable=None):
            return f(*operands)

    inner = jax.jit(unmarked)

    def one(*operands):
        with set_xla_metadata(xla_cpu_small_call="true", inlineable="false"):
            return inner(*operands)

    return one


def once(*values):
    """The values, computed here and stored.

    XLA's fusions would compute them anew for each of their uses, and its CPU backend ignores
    `optimization_barrier`. A call that is not inlined keeps them apart.
    """
    with set_xla_metadata(inlineable="false"):
        values = _copies(values)
    return values if len(values) > 1 else values[0]


@jax.jit
def _copies(values):
    with set_xla_metadata(inlineable=None):
        return [jnp.copy(v) for v in values]


def dot(A, B):
    """A @ B of vectors or matrices, without the library call that XLA makes of a product."""
    if max(*A.shape, *B.shape) > SMALL:
        return A @ B
    if B.ndim == 1:
        return jnp.sum(A * B, axis=-1)
    return jnp.sum(A[..., None] * B, axis=-2)


def cholesky(A):
    """Lower triangular L with L L^T = A, of symmetric A (n, n)."""
    n = A.shape[0]
    if n > SMALL:
        return jnp.linalg.cholesky(A, symmetrize_input=False)
    index = jnp.arange(n)

    def column(k, L):
        pivot = jnp.sqrt(jnp.where(L[k, k] > 0, L[k, k], jnp.nan))
        below = jnp.where(index > k, L[:, k] / pivot, 0.0)
        rest = L - below[:, None] * below
        return jnp.where(index == k, jnp.where(index == k, pivot, below)[:, None], rest)

    return jnp.tril(jax.lax.fori_loop(0, n, column, A))


def solve_upper(R, b, transpose: bool = False):
    """R^{-1} b, or R^{-T} b, for upper triangular R (n, n) and b (n,) or (n, k)."""
    n = R.shape[0]
    if n > SMALL:
        return solve_triangular(R, b, trans=int(transpose), lower=False)
    index = jnp.arange(n)
    R = R.T if transpose else R

    def eliminate(i, x):
        k = i if transpose else n - 1 - i
        row = x[k] / R[k, k]
        later = index > k if transpose else index < k
        column = jnp.where(later, R[:, k], 0.0)
        here = index == k
        if x.ndim == 1:
            return jnp.where(here, row, x - column * row)
        return jnp.where(here[:, None], row, x - column[:, None] * row)

    return jax.lax.fori_loop(0, n, eliminate, b)


def triangularise(A, b):
    """(T, Q^T b): upper triangular T (n, n) with T^T T = A^T A, for A (m, n) and b (m,), m >= n."""
    m, n = A.shape
    if n > SMALL:
        Q, T = jnp.linalg.qr(A)
        return T, Q.T @ b
    row, column = jnp.arange(m), jnp.arange(n + 1)

    def reflect(k, B):
        x = jnp.where(row >= k, B[:, k], 0.0)
        size = jnp.max(jnp.abs(x))
        x = x / jnp.where(size > 0, size, 1.0)
        length = jnp.sqrt(jnp.sum(x * x))
        head = jnp.where(x[k] > 0, -length, length)
        v = x - jnp.where(row == k, head, 0.0)
        vv = jnp.sum(v * v)
        share = jnp.sum(v[:, None] * B, axis=0) * (2 / jnp.where(vv > 0, vv, 1.0))
        B = B - v[:, None] * share
        return jnp.where((row[:, None] > k) & (column == k), 0.0, B)

    B = jax.lax.fori_loop(0, n, reflect, jnp.concatenate([A, b[:, None]], axis=1))
    return B[:n, :n], B[:n, n]


def jacobi(A):
    """(W, s, V) of A (n, n): A V = W with orthogonal columns of norms s; V orthogonal."""
    n = A.shape[0]
    if n > SMALL:
        U, s, VT = jnp.linalg.svd(A)
        return U * s, s, VT.T

    def rotate(pair, carry):
        Z, turned = carry  # row j: column j of W, then of V
        i, j = pair // n, pair % n
        a, b = Z[i], Z[j]
        aa, bb, ab = jnp.sum((a * a)[:n]), jnp.sum((b * b)[:n]), jnp.sum((a * b)[:n])
        turn = (i < j) & (jnp.abs(ab) > EPS * jnp.sqrt(aa) * jnp.sqrt(bb))
        zeta = (bb - aa) / jnp.where(turn, 2 * ab, 1.0)
        t = jnp.where(zeta >= 0, 1.0, -1.0) / (jnp.abs(zeta) + jnp.sqrt(1 + zeta * zeta))
        t = jnp.where(turn, t, 0.0)
        c = 1 / jnp.sqrt(1 + t * t)
        Z = jnp.where(turn, Z.at[i].set(c * (a - t * b)).at[j].set(c * (t * a + b)), Z)
        return Z, turned | turn

    def sweep(carry):
        count, Z, _ = carry
        return count + 1, *jax.lax.fori_loop(0, n * n, rotate, (Z, jnp.zeros((), bool)))

    start = jnp.zeros((), int), jnp.concatenate([A.T, jnp.eye(n)], axis=1), jnp.ones((), bool)
    _, Z, _ = jax.lax.while_loop(lambda c: c[2] & (c[0] < MAX_SWEEPS), sweep, start)
    W, V = Z[:, :n].T, Z[:, n:].T
    return W, jnp.sqrt(jnp.sum(W * W, axis=0)), V
