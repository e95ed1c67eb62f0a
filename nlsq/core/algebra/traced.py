r"""What JAX traces of the step: `dense` as loops of elementwise operations up to n = SMALL.

XLA's CPU backend runs LAPACK as library calls between which every small operation is a kernel of
its own; for a handful of parameters the calls and launches are the cost of an iteration. Without a
library call the whole step becomes one compiled function (`one_kernel`), measured 4 times as fast
on JAX 0.10 and 0.12. Above SMALL the same names are LAPACK's.

cholesky        Gaussian elimination of symmetric A; NaN where a pivot is not positive
triangularise   modified Gram-Schmidt on the columns of [A b], whose R and Q^T b are as accurate as
                Householder's
least_squares   the same; every column carries along of which columns of A it is made
jacobi          one-sided Jacobi rotations A V = W until the columns of W are orthogonal, so that
                A = (W / s) diag(s) V^T; singular values have high relative accuracy. Disjoint pairs
                of columns turn at once, in the order of a round-robin tournament

Most of a first fit's time goes into compiling, and a loop costs as much as a page of arithmetic:
hence one `while_loop` each, and rows picked by a mask, which is less code than a dynamic index.

References: G. H. Golub, C. F. Van Loan, "Matrix Computations", 4th ed., sections 4.2, 5.2, 8.6;
A. Björck, "Solving linear least squares problems by Gram-Schmidt orthogonalization", BIT 7 (1967);
R. P. Brent, F. T. Luk, "The solution of singular-value and symmetric eigenvalue problems on
multiprocessor arrays", SIAM J. Sci. Stat. Comput. 6 (1985).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.linalg import solve_triangular

from nlsq import xla
from nlsq.constants import EPS

SMALL = 16  # parameters, up to which there is no library call
MAX_SWEEPS = 30


def one_kernel(f: Callable, n: int) -> Callable:
    """`f`, the step for n parameters, as one compiled function on the CPU if n < SMALL.

    No matrix in it may be larger than SMALL (that of [J r] has n + 1 columns); see `marked`.
    """
    return marked(f) if n < SMALL else f


def marked(f: Callable) -> Callable:
    """`f` as one compiled function on the CPU; other backends ignore the mark.

    The operands must be different arrays, none of them empty or a constant, and none may be
    returned as it is: XLA ends the process otherwise, as it does for an operand that goes unused.
    So a sum over the operands is returned too, behind a barrier, or XLA would see that nobody
    reads it.
    """

    def unmarked(*operands):  # the mark would go on to every call inside
        with xla.marks(xla_cpu_small_call=None, inlineable=None), as_one():
            used = sum(jnp.ravel(a)[0].astype(float) for a in jax.tree.leaves(operands))
            return f(*operands), used

    inner = jax.jit(unmarked)

    def one(*operands):
        with xla.marks(xla_cpu_small_call="true", inlineable="false"):
            return jax.lax.optimization_barrier(inner(*operands))[0]

    return one


_AS_ONE: ContextVar[bool] = ContextVar("as_one", default=False)


@contextmanager
def as_one() -> Iterator[None]:
    """What is traced here is for one compiled function."""
    token = _AS_ONE.set(True)
    try:
        yield
    finally:
        _AS_ONE.reset(token)


def is_for_one() -> bool:
    """Whether what is being traced is for one compiled function, where a call costs nothing."""
    return _AS_ONE.get()


def once(*values):
    """The values, computed here and stored.

    XLA's fusions would compute them anew for each of their uses, and its CPU backend ignores
    `optimization_barrier`. A call that is not inlined keeps them apart.
    """
    with xla.marks(inlineable="false"):
        values = _copies(values)
    return values if len(values) > 1 else values[0]


@jax.jit
def _copies(values):
    with xla.marks(inlineable=None):
        return [jnp.copy(v) for v in values]


def where(condition, a, b):
    """`jnp.where`, but not as a function of its own that JAX traces and lowers, and XLA inlines."""
    dtype = jnp.result_type(a, b)
    shape = np.broadcast_shapes(np.shape(condition), np.shape(a), np.shape(b))

    def spread(x):
        if not np.shape(x):
            return jax.lax.full(shape, x, dtype)
        return _spread(jax.lax.convert_element_type(x, dtype), shape)

    if np.shape(condition):
        condition = _spread(condition, shape)
    return jax.lax.select(condition, spread(a), spread(b))


def _spread(x, shape):
    if x.shape == shape:
        return x
    return jax.lax.broadcast_in_dim(x, shape, range(len(shape) - x.ndim, len(shape)))


def dot(A, B):
    """A @ B of vectors or matrices, without the library call that XLA makes of a product."""
    if max(*A.shape, *B.shape) > SMALL:
        return A @ B
    if B.ndim == 1:
        return jnp.sum(A * B, axis=-1)
    return jnp.sum(A[..., None] * B, axis=-2)


def _repeat(n: int, step: Callable, carry):
    """`carry` after carry = step(k, carry) for k from 0 to n - 1."""

    def body(counted):
        k, carry = counted
        return k + 1, step(k, carry)

    return jax.lax.while_loop(lambda counted: counted[0] < n, body, (jnp.zeros((), int), carry))[1]


def _row(A, here):
    """The row of A (n, k) where `here` (n,) is true."""
    return jnp.sum(where(here[:, None], A, 0.0), axis=0)


def _element(x, here):
    """The element of x (n,) where `here` is true."""
    return jnp.sum(where(here, x, 0.0))


def _diagonal(A):
    return A.reshape(-1)[:: A.shape[0] + 1]


def cholesky(A):
    """Lower triangular L with L L^T = A, of symmetric A (n, n)."""
    n = A.shape[0]
    if n > SMALL:
        return jnp.linalg.cholesky(A, symmetrize_input=False)
    index = jnp.arange(n)

    def eliminate(k, A):
        row = _row(A, index == k)
        below = where(index > k, row, 0.0) / _element(row, index == k)
        return A - below[:, None] * row

    U = _repeat(n, eliminate, A)
    pivots = _diagonal(U)
    return jnp.tril(U.T / jnp.sqrt(where(pivots > 0, pivots, jnp.nan)))


def solve_upper(R, b, transpose: bool = False):
    """R^{-1} b, or R^{-T} b, for upper triangular R (n, n) and b (n,) or (n, k)."""
    n = R.shape[0]
    if n > SMALL:
        return solve_triangular(R, b, trans=int(transpose), lower=False)
    index = jnp.arange(n) if transpose else jnp.arange(n)[::-1]
    columns = R if transpose else R.T

    def substitute(k, x):
        here = index == k
        column = _row(columns, here)
        pivot = _element(column, here)
        if x.ndim == 1:
            known = _element(x, here) / pivot
            return where(here, known, x - column * known)
        known = _row(x, here) / pivot
        return where(here[:, None], known, x - column[:, None] * known)

    return _repeat(n, substitute, b)


def triangularise(A, b):
    """(T, Q^T b): upper triangular T (n, n) with T^T T = A^T A, for A (m, n) and b (m,), m >= n."""
    n = A.shape[1]
    if n > SMALL:
        Q, T = jnp.linalg.qr(A)
        return T, Q.T @ b
    index = jnp.arange(n + 1)

    def project(k, carry):
        Z, T = carry  # rows: what is left of the columns of [A b]; their parts that are gone
        row = _row(Z, index == k)
        square = jnp.sum(row * row)
        part = where(index >= k, jnp.sum(Z * row, axis=1), 0.0)
        part = part / where(square > 0, square, 1.0)
        T = where(index[:n] == k, (part * jnp.sqrt(square))[:, None], T)
        return Z - part[:, None] * row, T

    Z = jnp.concatenate([A.T, b[None]])
    _, T = _repeat(n, project, (Z, jnp.zeros((n + 1, n))))
    return T[:n].T, T[n]


def least_squares(A, b):
    """(x, d): the x (n,) that minimises |A x + b|, and |T_jj| as in `triangularise`."""
    n = A.shape[1]
    if n > SMALL:
        T, c = triangularise(A, b)
        return -solve_upper(T, c), jnp.abs(_diagonal(T))
    m, index = b.shape[0], jnp.arange(n + 1)

    def project(k, Z):
        row = _row(Z, index == k)
        v = where(jnp.arange(m + n) < m, row, 0.0)
        square = jnp.sum(v * v)
        part = where(index > k, jnp.sum(Z * v, axis=1), 0.0)
        part = part / where(square > 0, square, 1.0)
        return Z - part[:, None] * row

    Z = jnp.concatenate([jnp.concatenate([A.T, b[None]]), jnp.eye(n + 1, n)], axis=1)
    Z = _repeat(n, project, Z)
    return Z[n, m:], jnp.sqrt(jnp.sum(Z[:n, :m] ** 2, axis=1))


def jacobi(A):
    """(W, s, V) of A (m, n): A V = W with orthogonal columns of norms s; V orthogonal."""
    m, n = A.shape
    if n > SMALL:
        U, s, VT = jnp.linalg.svd(A, full_matrices=False)
        return U * s, s, VT.T
    half = (n + 1) // 2

    def turn(carry):
        count, quiet, Z = carry  # row j: column j of W, then of V
        a, b = Z[:half], Z[half:]
        inner = lambda a, b: jnp.sum((a * b)[:, :m], axis=1, keepdims=True)  # noqa: E731
        aa, bb, ab = inner(a, a), inner(b, b), inner(a, b)
        skew = jnp.abs(ab) > EPS * jnp.sqrt(aa) * jnp.sqrt(bb)
        zeta = (bb - aa) / where(skew, 2 * ab, 1.0)
        t = where(zeta >= 0, 1.0, -1.0) / (jnp.abs(zeta) + jnp.sqrt(1 + zeta * zeta))
        t = where(skew, t, 0.0)
        c = 1 / jnp.sqrt(1 + t * t)
        a, b = c * (a - t * b), c * (t * a + b)
        Z = jnp.concatenate([a[:1], b[:1], a[1:-1], b[1:], a[1:][-1:]])  # the next pairs
        return count + 1, where(jnp.any(skew), 0, quiet + 1), Z

    rounds = 2 * half - 1

    def unfinished(carry):
        count, quiet, _ = carry
        return (count % rounds > 0) | ((quiet < rounds) & (count < MAX_SWEEPS * rounds))

    Z = jnp.concatenate([A.T, jnp.eye(n)], axis=1)
    Z = jnp.concatenate([Z, jnp.zeros((2 * half - n, m + n))])
    zero = jnp.zeros((), int)
    _, _, Z = jax.lax.while_loop(unfinished, turn, (zero, zero, Z))
    W, V = Z[:n, :m].T, Z[:n, m:].T
    return W, jnp.sqrt(jnp.sum(W * W, axis=0)), V
