"""The step's small linear algebra against NumPy's, up to and above the size of LAPACK."""

import functools

import jax
import numpy as np
import pytest

from nlsq.config import double_precision
from nlsq.core.algebra import dense, traced

EPS = np.finfo(float).eps
SIZES = (1, 2, 3, 7, traced.SMALL, traced.SMALL + 1)
KINDS = ("even", "graded", "dependent", "zero column")


def matrix(n, kind):
    rng = np.random.default_rng(n)
    A = rng.standard_normal((n, n))
    if kind == "graded":
        A = A * np.logspace(0, -12, n)
    elif kind == "dependent":
        A[:, -1] = A[:, 0]
    elif kind == "zero column":
        A[:, 0] = 0
    return A


@functools.cache
def compiled(f, n):
    return jax.jit(traced.one_kernel(f, n))


def run(f, n, *operands):
    """As the step runs it: one compiled function."""
    with double_precision():
        return jax.tree.map(np.asarray, compiled(f, n)(*operands))


@pytest.mark.core
@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("kind", KINDS)
def test_jacobi_is_a_singular_value_decomposition(n, kind):
    A = matrix(n, kind)
    W, s, V = run(dense.jacobi, n, A)
    scale = np.linalg.norm(A) + 1e-300
    assert np.abs(W - A @ V).max() <= 50 * n * EPS * scale
    assert np.abs(V.T @ V - np.eye(n)).max() <= 50 * n * EPS
    expected = np.linalg.svd(A)[1]
    assert np.abs(np.sort(s)[::-1] - expected).max() <= 50 * n * EPS * scale


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("kind", KINDS)
def test_triangularise_has_the_factor_of_a_householder_qr(n, kind):
    A = np.concatenate([matrix(n, kind), np.diag(np.linspace(0.1, 1, n))])
    b = np.random.default_rng(0).standard_normal(2 * n)
    T, c = run(dense.triangularise, n, A, b)
    Q, R = np.linalg.qr(A)
    signs = np.sign(np.diagonal(R)) * np.sign(np.diagonal(T))
    scale = np.linalg.norm(A)
    assert np.abs(T - signs[:, None] * R).max() <= 100 * n * EPS * scale
    assert np.abs(c - signs * (Q.T @ b)).max() <= 1000 * n * EPS * np.linalg.norm(b)
    assert (np.tril(T, -1) == 0).all()


@pytest.mark.parametrize("n", SIZES)
def test_cholesky_and_substitution(n):
    A = matrix(n, "even")
    S = A @ A.T + np.eye(n)
    L = run(dense.cholesky, n, S)
    assert np.allclose(L, np.linalg.cholesky(S), rtol=0, atol=1e-13 * n)
    b = np.arange(1.0, n + 1)
    R = L.T.copy()
    for transpose, T in ((False, R), (True, R.T)):
        x = run(lambda R, b, t=transpose: dense.solve_upper(R, b, t), n, R, b)
        assert np.allclose(T @ x, b, rtol=0, atol=1e-12 * n)
    assert np.allclose(run(lambda R: dense.solve_upper(R, np.eye(n)), n, R) @ R, np.eye(n))


@pytest.mark.parametrize("n", SIZES)
def test_cholesky_of_an_indefinite_matrix_is_not_a_number(n):
    assert np.isnan(run(dense.cholesky, n, -np.eye(n))).any()
