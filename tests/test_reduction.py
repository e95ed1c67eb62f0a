"""The one pass over the data: R, z and cost against a Householder QR, and blocks against whole."""

import warnings

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.linalg import hilbert, solve_triangular

from nlsq import OptimizeWarning, curve_fit, fit_many
from nlsq.config import double_precision
from nlsq.core.algebra import traced
from nlsq.core.loop.judging import SAFE_PIVOT, SHARPEN_LIMIT
from nlsq.core.loop.state import Setup
from nlsq.core.passes import blocks as passes
from nlsq.core.passes.reduction import Summary, Sums, factor, sums

pytestmark = pytest.mark.core

EPS = np.finfo(float).eps


def one_pass(J, r, R_prev):
    P = solve_triangular(R_prev, np.eye(J.shape[1]))
    with double_precision():
        summary = jax.jit(factor)(sums(None, r, P.T @ J.T, np), R_prev)
    return Summary(*map(np.asarray, summary))


def reduce_by_passes(J, r, count):
    R = np.eye(J.shape[1])
    for _ in range(count):
        summary = one_pass(J, r, R)
        R = summary.R
    return summary


def positive(R):
    """R with a positive diagonal, which makes it unique."""
    signs = np.where(np.diagonal(R) < 0, -1.0, 1.0)
    return signs[:, None] * R


def with_condition(kappa, m=300, n=6, seed=0):
    rng = np.random.default_rng(seed)
    U, _ = np.linalg.qr(rng.standard_normal((m, n)))
    V, _ = np.linalg.qr(rng.standard_normal((n, n)))
    return U * np.logspace(0, -np.log10(kappa), n) @ V


MATRICES = {
    **{f"cond 1e{k}": with_condition(10.0**k) for k in (2, 4, 6, 8, 10, 12)},
    "vandermonde 6": np.vander(np.linspace(0, 1, 200), 6),
    "vandermonde 9": np.vander(np.linspace(0, 1, 200), 9),
    "vandermonde off-centre": np.vander(np.linspace(10, 11, 200), 5),
    "hilbert 5": hilbert(50)[:, :5],
    "hilbert 8": hilbert(50)[:, :8],
    "units": with_condition(1e3) * np.logspace(-9, 9, 6),
}


@pytest.mark.parametrize("name", MATRICES)
def test_r_is_that_of_a_householder_qr(name):
    J = MATRICES[name]
    r = np.random.default_rng(1).standard_normal(len(J))
    lengths = np.linalg.norm(J, axis=0)
    kappa = np.linalg.cond(J / lengths)
    R = positive(np.linalg.qr(J)[1])
    summary = reduce_by_passes(J, r, 3)
    assert summary.pivot > 0.9
    assert not summary.dead.any()
    error = np.linalg.norm((positive(summary.R) - R) / lengths, axis=0)
    assert error.max() <= 30 * EPS * kappa
    # backward error: R^T R = J^T J whatever the condition
    difference = (summary.R.T @ summary.R - J.T @ J) / np.outer(lengths, lengths)
    assert np.abs(difference).max() <= 3e-12
    # z = Q^T r with the projection's length, and R^T z the gradient
    expected = np.linalg.norm(np.linalg.qr(J / lengths)[0].T @ r)
    assert np.linalg.norm(summary.z) == pytest.approx(expected, rel=100 * EPS * kappa)
    gradient = (summary.R.T @ summary.z - J.T @ r) / lengths
    assert np.abs(gradient).max() <= 1e-12 * np.linalg.norm(r)
    assert summary.cost == pytest.approx(0.5 * r @ r, rel=1e-14)


def test_singular_values_at_condition_1e8():
    J = with_condition(1e8)
    summary = reduce_by_passes(J, np.ones(len(J)), 2)
    # 1e-10 of the smallest would be below what eps leaves of it: 1e-16 / 1e-8
    assert np.linalg.svd(summary.R, compute_uv=False)[-1] == pytest.approx(1e-8, rel=1e-7)
    values = np.linalg.svd(summary.R, compute_uv=False)
    np.testing.assert_allclose(values, np.logspace(0, -8, 6), rtol=1e-10, atol=5e-16)


def test_columns_of_condition_1e8_by_scale_keep_ten_digits():
    """Scale is not condition: column equilibration gives every singular value its digits."""
    Q = np.linalg.qr(np.random.default_rng(3).standard_normal((300, 6)))[0]
    J = Q * np.logspace(0, -8, 6)
    values = np.linalg.svd(reduce_by_passes(J, np.ones(300), 2).R, compute_uv=False)
    np.testing.assert_allclose(values, np.logspace(0, -8, 6), rtol=1e-10)


def test_the_pivot_tells_when_the_digits_are_there():
    """One pass from the identity loses digits at condition 1e8 and says so; the next ones heal."""
    J = with_condition(1e8)
    r = np.ones(len(J))
    R = positive(np.linalg.qr(J)[1])
    errors, pivots = [], []
    for count in (1, 2, 3):
        summary = reduce_by_passes(J, r, count)
        errors.append(np.abs(positive(summary.R) - R).max())
        pivots.append(summary.pivot)
    assert pivots[0] < 1e-6 < 0.5 < pivots[-1]
    assert errors[0] > 1e-9 > 1e-12 > errors[2]


def test_a_dead_column_is_a_unit_column():
    J = with_condition(100.0)
    J[:, 2] = 0.0
    r = np.random.default_rng(2).standard_normal(len(J))
    summary = reduce_by_passes(J, r, 3)
    assert summary.dead.tolist() == [False, False, True, False, False, False]
    np.testing.assert_array_equal(summary.R[:, 2], np.eye(6)[:, 2])
    np.testing.assert_array_equal(summary.R[2], np.eye(6)[2])
    assert summary.z[2] == 0
    rest = np.delete(np.arange(6), 2)
    expected = positive(np.linalg.qr(J[:, rest])[1])
    np.testing.assert_allclose(positive(summary.R[np.ix_(rest, rest)]), expected, atol=1e-13)


def test_a_column_that_collapses_is_dead_a_few_passes_later():
    """Until it is, the pivot asks for another pass."""
    J = with_condition(100.0)
    r = np.random.default_rng(2).standard_normal(len(J))
    R = reduce_by_passes(J, r, 2).R
    J[:, 4] = 0.0
    summary = one_pass(J, r, R)
    passes_made = 1
    while not summary.dead[4]:
        assert summary.pivot < SAFE_PIVOT
        summary = one_pass(J, r, summary.R)
        passes_made += 1
        assert passes_made <= 1 + SHARPEN_LIMIT
    assert summary.dead.tolist() == [False, False, False, False, True, False]
    assert summary.z[4] == 0 and summary.R[4, 4] == 1
    rest = np.delete(np.arange(6), 4)
    expected = positive(np.linalg.qr(J[:, rest])[1])
    np.testing.assert_allclose(positive(summary.R[np.ix_(rest, rest)]), expected, atol=1e-12)


def test_columns_whose_squares_overflow_are_not_finite():
    with np.errstate(all="ignore"):
        summary = factor(Sums(None, 1e10 * np.eye(3)), 1e150 * np.eye(2))
    assert not summary.finite


def test_a_dead_column_that_wakes_up():
    J = with_condition(100.0)
    r = np.ones(len(J))
    asleep = J.copy()
    asleep[:, 1] = 0.0
    R = reduce_by_passes(asleep, r, 2).R
    for _ in range(2):
        summary = one_pass(J, r, R)
        R = summary.R
    assert not summary.dead.any()
    np.testing.assert_allclose(positive(R), positive(np.linalg.qr(J)[1]), atol=1e-13)


def dependent(kind):
    rng = np.random.default_rng(4)
    t = np.arange(1.0, 9.0)
    one = np.ones(8)
    return {
        "equal columns": np.stack([t, t, one], axis=-1),
        "a multiple": np.stack([t, 3 * t, one], axis=-1),
        "two pairs": np.stack([t, 2.5 * t, t**2, t**2, one], axis=-1),
        "a combination": np.stack([t, one, 2 * t - 3 * one, t**2], axis=-1),
        "more columns than rows": rng.standard_normal((2, 4)),
        "one row": rng.standard_normal((1, 3)),
    }[kind]


@pytest.mark.parametrize(
    "kind",
    ["equal columns", "a multiple", "two pairs", "a combination", "more columns than rows",
     "one row"],
)  # fmt: skip
@pytest.mark.parametrize("count", [2, 3, 6])
def test_dependent_columns_are_neither_dead_nor_independent(kind, count):
    """However often the pass is repeated, R^T R stays J^T J and no column counts as zero."""
    J = dependent(kind)
    summary = reduce_by_passes(J, np.linspace(1, 2, len(J)), count)
    lengths = np.linalg.norm(J, axis=0)
    assert not summary.dead.any()
    R = np.where(summary.dependent[:, None], 0.0, summary.R)  # without the rows that pin columns
    difference = (R.T @ R - J.T @ J) / np.outer(lengths, lengths)
    assert np.abs(difference).max() <= 3e-12
    w = np.linalg.svd(R / lengths, compute_uv=False)
    assert (w > 1e-12 * w[0]).sum() == np.linalg.matrix_rank(J)


# ------------------------------------------------------------------------------------ blocks


def model(x, params, points):
    a, b, c = params
    return a * jnp.exp(-b * x) + c


def spiral(x, params, points):
    a, b, c = params
    return a * jnp.exp((-b + 1j * c) * x)


P0 = np.array([2.0, 0.7, 0.4])
R0 = np.array([[1.0, 0.0, 0.2], [0.0, 1.0, 0.0], [0.0, 0.0, 0.8]])  # b has the unit column
TREE = jax.tree.structure(0)
_programs = {}


def summary_of(m, block, capacity, *, call=model, weights=None, tail=0.0, free=(1.0, 1.0, 1.0),
               loss=None, cholesky=None):  # fmt: skip
    """Summary of one pass at P0 over the first m of fixed random data."""
    rng = np.random.default_rng(6)
    x, noise = rng.uniform(0, 5, 8193)[:m], rng.standard_normal(8193)[:m]
    y = np.asarray(model_numpy(call, x)) * 0.9 + 0.1 * noise
    paired = np.iscomplexobj(y)
    layout = passes.Layout(
        block, capacity if block else m, (0,), TREE, weights is not None, cholesky is not None,
        paired,
    )  # fmt: skip

    def padded(array):
        if not block:
            return array
        out = np.full(capacity, tail, array.dtype)
        out[:m] = array
        return out

    empty = np.zeros(0)
    ones = np.ones(3)
    setup = Setup(P0, -ones, ones, ones, np.array(free), 0.0, 0.0, 0.0, 1, 0.1, 1.0, np.inf)
    data = passes.Data(
        (padded(x),), padded(y), empty if weights is None else padded(weights[:m]),
        empty if cholesky is None else cholesky, m,
    )  # fmt: skip
    key = (layout, call, loss)
    with double_precision():
        if key not in _programs:
            P = jnp.linalg.inv(R0)
            _programs[key] = jax.jit(
                lambda data, setup: factor(
                    passes.make_reduce(call, layout, loss, data, setup)(P0, P), R0
                )
            )
        return jax.tree.map(np.asarray, _programs[key](data, setup))


def model_numpy(call, x):
    a, b, c = P0
    return a * np.exp((-b + 1j * c) * x) if call is spiral else a * np.exp(-b * x) + c


def reference(m, call=model, weights=None, free=(1.0, 1.0, 1.0)):
    """Cost, R^T R and R^T z by NumPy."""
    rng = np.random.default_rng(6)
    x, noise = rng.uniform(0, 5, 8193)[:m], rng.standard_normal(8193)[:m]
    f = model_numpy(call, x)
    r = f - (f * 0.9 + 0.1 * noise)
    a, b, _ = P0
    if call is spiral:
        J = np.stack([f / a, -x * f, 1j * x * f], axis=-1)
    else:
        e = np.exp(-b * x)
        J = np.stack([e, -a * x * e, np.ones(m)], axis=-1)
    w = np.ones(m) if weights is None else weights[:m]
    r, J = r * w, J * w[:, None] * np.array(free)
    if call is spiral:
        r, J = np.concatenate([r.real, r.imag]), np.concatenate([J.real, J.imag])
    return 0.5 * r @ r, J.T @ J, J.T @ r


def assert_summary(summary, cost, gram, gradient, rtol=1e-13):
    """The same normal equations; dead columns are left out."""
    live = ~summary.dead
    size = np.sqrt(np.diag(gram))[live]
    G = (summary.R.T @ summary.R)[np.ix_(live, live)]
    g = (summary.R.T @ summary.z)[live]
    assert summary.cost == pytest.approx(cost, rel=rtol)
    # the shift of 10 n eps of `factor` is part of R
    assert np.abs((G - gram[np.ix_(live, live)]) / np.outer(size, size)).max() <= rtol
    assert np.abs((g - gradient[live]) / (size * np.sqrt(2 * cost))).max() <= rtol


LENGTHS = (3, 17, 255, 256, 257, 511, 4096, 8191, 8192)


@pytest.mark.parametrize("tail", [0.0, np.nan, 1e300])
@pytest.mark.parametrize(("block", "capacity"), [(256, 8192), (4096, 16384), (8, 8192)])
def test_any_blocks_and_any_padding_add_up_alike(block, capacity, tail):
    for m in LENGTHS:
        assert_summary(summary_of(m, block, capacity, tail=tail), *reference(m))


@pytest.mark.parametrize("block", [1, 4096, 0])
def test_one_past_a_size_class(block):
    m = 8193
    assert_summary(summary_of(m, block, 16384, tail=np.nan), *reference(m))


@pytest.mark.parametrize("n", [1, 2, 7, 15, 16])
def test_tiles_of_two_coordinates_and_any_number_of_parameters(n):
    """J of a model linear in its parameters, with a leaf that all points share."""
    rng = np.random.default_rng(n)
    p, free = rng.standard_normal(n), np.arange(n) != 1

    def waves(x, params, points):
        u, scale = x
        return sum(a * jnp.cos(k * u[0] / scale[0] + u[1]) for k, a in enumerate(params))

    tree = jax.tree.structure((0, 0))
    layout = passes.Layout(256, 1024, (1, None), tree, True, False, False)
    P = np.triu(rng.standard_normal((n, n))) + 4 * np.eye(n)
    one = jax.jit(lambda d, s: passes.make_reduce(waves, layout, None, d, s)(p, P))
    for m in (n, 63, 64, 65, 1000):
        u, y, w = rng.uniform(-2, 2, (2, 1024)), rng.standard_normal(1024), rng.uniform(1, 2, 1024)
        scale = np.array([1.7])
        data = passes.Data((u, scale), y, w, np.zeros(0), m)
        setup = Setup(p, -p, p, p, 1.0 * free, 0.0, 0.0, 0.0, 1, 0.1, 1.0, np.inf)
        with double_precision():
            assert passes._tiled(waves, layout, None, data, n) == (n < traced.SMALL)
            found = one(data, setup)
        assert found.cost is None
        u, y, w = u[:, :m], y[:m], w[:m]
        J = np.cos(np.arange(n) * u[0][:, None] / scale + u[1][:, None])
        r = (J @ p - y) * w
        rows = np.column_stack([J * w[:, None] * free @ P, r])
        np.testing.assert_allclose(found.G, rows.T @ rows, rtol=0, atol=1e-13 * m * n * 100)


TABLE = np.arange(8.0)


@pytest.mark.parametrize(
    ("tiled", "f"),
    [
        (True, lambda x, a, b: a * jnp.exp(-b * x)),
        (True, lambda x, a, b: jnp.where(x > a, jnp.tanh(x - a), b)),
        (True, lambda x, a, b: 2.0 * x),
        (True, lambda x, a, b: a),
        (False, lambda x, a, b: a * jnp.interp(x, TABLE, TABLE) + b),
        (False, lambda x, a, b: a * jnp.max(jnp.sin(x[:, None] * TABLE), axis=1) + b),
        (False, lambda x, a, b: jnp.cumsum(a * x) + b),
        (False, lambda x, a, b: a * jnp.max(x[:, None] * jnp.arange(64.0), axis=1) + b),
        (False, lambda x, a, b: a * jax.scipy.special.i0(b * x)),
    ],
)
def test_which_models_go_by_tiles(tiled, f):
    layout = passes.Layout(256, 256, (0,), TREE, False, False, False)
    x = np.linspace(0, 5, 256)

    def call(x, params, points):
        return jnp.broadcast_to(f(x, *params), x.shape)

    data = passes.Data((x,), x, None, None, 200)
    with double_precision():
        assert passes._tiled(call, layout, None, data, 2) == tiled


@pytest.mark.parametrize("m", [1, 2])
def test_fewer_points_than_parameters(m):
    small, whole = summary_of(m, 256, 8192, tail=np.nan), summary_of(m, 0, 0)
    cost, gram, gradient = reference(m)
    size = np.sqrt(np.diag(gram))
    for summary in (small, whole):
        assert not summary.dead.any()
        assert summary.cost == pytest.approx(cost, rel=1e-13)
        np.testing.assert_allclose(
            (summary.R.T @ summary.R) / np.outer(size, size),
            gram / np.outer(size, size),
            atol=1e-12,
        )
        np.testing.assert_allclose(summary.R.T @ summary.z / size, gradient / size, atol=1e-12)


@pytest.mark.parametrize("tail", [0.0, np.nan])
def test_weights(tail):
    weights = np.random.default_rng(7).uniform(0.1, 10, 8193)
    for m in (3, 257, 8192):
        summary = summary_of(m, 256, 8192, weights=weights, tail=tail)
        assert_summary(summary, *reference(m, weights=weights))
    assert_summary(summary_of(300, 0, 0, weights=weights), *reference(300, weights=weights))


@pytest.mark.parametrize("tail", [0.0, np.nan])
def test_complex_points_count_as_pairs(tail):
    for m in (3, 255, 257):
        summary = summary_of(m, 256, 8192, call=spiral, tail=tail)
        assert_summary(summary, *reference(m, call=spiral))


def test_a_fixed_parameter_has_a_dead_column():
    summary = summary_of(257, 256, 8192, free=(1.0, 0.0, 1.0), tail=np.nan)
    assert summary.dead.tolist() == [False, True, False]
    assert_summary(summary, *reference(257, free=(1.0, 0.0, 1.0)))


def test_padding_is_absent_not_small():
    """Bit for bit the same whatever stands behind the last point."""
    garbage = [summary_of(257, 256, 8192, tail=t) for t in (0.0, np.nan, np.inf, -1e308)]
    for other in garbage[1:]:
        for a, b in zip(garbage[0], other, strict=True):
            np.testing.assert_array_equal(a, b)


def soft(z, xp):
    t = 1 + z
    return 2 * (t**0.5 - 1), t**-0.5, -0.5 * t**-1.5


def test_a_loss_adds_nothing_for_padding():
    blocked = summary_of(300, 256, 8192, loss=soft, tail=np.nan)
    whole = summary_of(300, 0, 0, loss=soft)
    rng = np.random.default_rng(6)
    x, noise = rng.uniform(0, 5, 8193)[:300], rng.standard_normal(8193)[:300]
    f = model_numpy(model, x)
    z = ((f - (f * 0.9 + 0.1 * noise)) / 0.1) ** 2
    assert blocked.cost == pytest.approx(0.5 * 0.01 * np.sum(2 * (np.sqrt(1 + z) - 1)), rel=1e-13)
    np.testing.assert_allclose(blocked.R, whole.R, rtol=1e-12)
    np.testing.assert_allclose(blocked.z, whole.z, rtol=1e-11, atol=1e-13)


def test_a_full_covariance_is_whitened():
    m = 40
    A = np.random.default_rng(8).standard_normal((m, m))
    covariance = A @ A.T + m * np.eye(m)
    summary = summary_of(m, 0, 0, cholesky=np.linalg.cholesky(covariance))
    rng = np.random.default_rng(6)
    x, noise = rng.uniform(0, 5, 8193)[:m], rng.standard_normal(8193)[:m]
    f = model_numpy(model, x)
    r = f - (f * 0.9 + 0.1 * noise)
    e = np.exp(-P0[1] * x)
    J = np.stack([e, -P0[0] * x * e, np.ones(m)], axis=-1)
    inverse = np.linalg.inv(covariance)
    assert_summary(summary, 0.5 * r @ inverse @ r, J.T @ inverse @ J, J.T @ inverse @ r, 1e-11)


UNREAD = {
    "points": (lambda x, a: a, [1.0], np.mean),
    "points, of two": (lambda x, a, b: a * b, [1.0, 2.0], np.mean),
    "points, simplified away": (lambda x, a: a * x**0, [1.0], np.mean),
    "parameters": (lambda x, a: x, [1.0], None),
    "one of the parameters": (lambda x, a, b: a + 0 * x, [1.0, 2.0], np.mean),
}


@pytest.mark.parametrize("name", UNREAD)
@pytest.mark.parametrize("options", [{}, {"time_limit": 600.0}, {"sigma": 0.5}])
def test_a_model_that_leaves_an_operand_unread(name, options):
    """XLA ended the process: a compiled function has a parameter that nobody reads."""
    f, p0, expected = UNREAD[name]
    x = np.linspace(0.1, 1.0, 50)
    y = x**2
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        result = curve_fit(f, x, y, p0, **options)
    if expected is not None:
        np.testing.assert_allclose(f(x, *result.popt), expected(y), rtol=1e-9)
    else:
        assert not result.success


EQUAL = {  # columns of equal numbers, which are added up with an error that grows with their count
    "a constant by a line": (lambda x, a, b: a * x + b, lambda x, c: 0 * x + c),
    "two constants": (lambda x, a, b, c: a + 0.37 * b + c * x, lambda x, c: c + x**2),
    "a constant twice": (lambda x, a, b: 0.1 * a + 0.7 * b + 0 * x, lambda x, c: c + x),
    "parallel": (lambda x, a, b, c: (a + 1.7 * b) * np.exp(-x) + c, lambda x, c: c + x),
}


@pytest.mark.parametrize("m", [100, 700, 3000])
@pytest.mark.parametrize("which", EQUAL)
def test_equal_numbers_are_added_up_to_a_few_eps(which, m):
    f, of = EQUAL[which]
    x, n = np.linspace(0, 1, m), f.__code__.co_argcount - 1
    A = np.stack([f(x, *unit) for unit in np.eye(n)], axis=1)
    y = np.stack([of(x, 10.0**k * np.pi) for k in np.linspace(-3, 3, 25)])
    least = np.array([np.sum((A @ np.linalg.lstsq(A, row)[0] - row) ** 2) for row in y])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", OptimizeWarning)  # no covariance of what is parallel
        one = [curve_fit(f, x, row, np.zeros(n), backend="numpy").popt for row in y]
    many = fit_many(f, x, y, p0=np.zeros(n), backend="numpy")
    assert many.success.all()
    for found in (np.array(one), many.popt):
        cost = np.sum((found @ A.T - y) ** 2, axis=1)
        assert (cost <= least * (1 + 1e-9) + 1e-24 * np.sum(y**2, axis=1)).all()
