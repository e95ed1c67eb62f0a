"""Trust-region steps and bounds geometry against dense references and brute force."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.optimize

from nlsq import least_squares
from nlsq.config import double_precision
from nlsq.core import dogbox, lm, trf
from nlsq.core.algebra import dense, geometry, subproblem
from nlsq.core.loop.state import Point, Setup

pytestmark = pytest.mark.usefixtures("quickly")

TRF, DOGBOX = trf.TrustRegionReflective(), dogbox.Dogbox()

N = 4
INF = np.inf


@functools.cache
def _jitted(f, static):
    return jax.jit(f, static_argnums=static)


def call(f, *args, static=()):
    """f(*args) compiled in double precision, as NumPy."""
    with double_precision():
        return jax.tree.map(np.asarray, _jitted(f, static)(*args))


def systems(count=25, n=N):
    """Random triangular systems of all conditions, scales and residual lengths."""
    rng = np.random.default_rng(1)
    for _ in range(count):
        J = rng.standard_normal((12, n)) @ np.diag(10.0 ** rng.uniform(-4, 4, n))
        Q, R = np.linalg.qr(J)
        yield R, Q.T @ rng.standard_normal(12) * 10.0 ** rng.uniform(-3, 3)


# -------------------------------------------------------------------------- the subproblem


def boundary_step(A, z, radius, D=None):
    """min |A p + z| with |D p| <= radius: p(alpha) by bisection on the eigenvalues to 1e-12."""
    D = np.ones(len(z)) if D is None else D
    U, s, VT = np.linalg.svd(A / D)
    uf = U.T @ z
    cut = s > 1e-14 * s[0]
    least = np.where(cut, uf / np.where(cut, s, 1.0), 0.0)
    if np.linalg.norm(least) <= radius:
        return -(VT.T @ least) / D, 0.0
    low, high = 0.0, np.linalg.norm(s * uf) / radius
    for _ in range(2000):
        middle = 0.5 * (low + high) if low == 0 or high > 4 * low else np.sqrt(low * high)
        if low == 0 and high < 1e-290:
            break
        norm = np.linalg.norm(s * uf / (s**2 + middle))
        low, high = (middle, high) if norm > radius else (low, middle)
        if high - low <= 1e-14 * high:
            break
    alpha = 0.5 * (low + high)
    return -(VT.T @ (s * uf / (s**2 + alpha))) / D, alpha


def cost(A, z, p):
    r = A @ p + z
    return 0.5 * r @ r


def solve(A, z, radius, alpha):
    return subproblem.solve(A, z, -dense.solve_upper(A, z), radius, alpha)


@pytest.mark.parametrize("share", [1e-8, 1e-3, 0.1, 0.5, 0.99, 1.01, 10.0, 1e8])
def test_the_subproblem_is_solved(share):
    for A, z in systems():
        radius = share * np.linalg.norm(np.linalg.solve(A, z))
        p, alpha = call(solve, A, z, radius, 0.0)
        best, best_alpha = boundary_step(A, z, radius)
        assert np.linalg.norm(p) <= radius * (1 + 1e-12)
        assert alpha >= 0
        gain, most = cost(A, z, 0 * p) - cost(A, z, p), cost(A, z, 0 * p) - cost(A, z, best)
        # the secular equation is solved to 1 % of the radius, the step then put on the sphere
        assert gain >= 0.98 * most * (1 - 1e-9)
        if share > 1:
            np.testing.assert_allclose(A @ p, -z, atol=1e-9 * np.linalg.norm(z))
            assert alpha == 0
        else:
            assert np.linalg.norm(p) == pytest.approx(radius, rel=1e-12)
            assert alpha == pytest.approx(best_alpha, rel=0.2)


@pytest.mark.parametrize("start", [0.0, 1e-12, 1.0, 1e12])
def test_the_subproblem_from_any_former_alpha(start):
    for A, z in systems(10):
        radius = 0.3 * np.linalg.norm(np.linalg.solve(A, z))
        p, _ = call(solve, A, z, radius, start)
        best, _ = boundary_step(A, z, radius)
        gain, most = cost(A, z, 0 * p) - cost(A, z, p), cost(A, z, 0 * p) - cost(A, z, best)
        assert gain >= 0.98 * most


@pytest.mark.parametrize("radius", [1e-6, 0.5, 1e6])
@pytest.mark.parametrize("kind", ["equal columns", "zero row", "rank 1", "zero"])
def test_a_singular_subproblem(kind, radius):
    rng = np.random.default_rng(2)
    A = np.triu(rng.uniform(0.5, 1.5, (N, N)))
    A = {
        "equal columns": np.linalg.qr(np.repeat(rng.standard_normal((9, 2)), 2, axis=1))[1],
        "zero row": A * np.array([1, 1, 1, 0.0])[:, None],
        "rank 1": np.outer([1.0, 0, 0, 0], [1.0, 2, 3, 4]),
        "zero": np.zeros((N, N)),
    }[kind]
    z = A @ rng.standard_normal(N)
    p, _ = call(solve, A, z, radius, 0.0)
    assert np.isfinite(p).all()
    assert np.linalg.norm(p) <= radius * (1 + 1e-12)
    best, _ = boundary_step(A, z, radius)
    gain, most = cost(A, z, 0 * p) - cost(A, z, p), cost(A, z, 0 * p) - cost(A, z, best)
    assert gain >= 0.98 * most * (1 - 1e-9)


def test_a_parameter_that_is_not_free_stays():
    A = np.triu(np.random.default_rng(3).uniform(0.5, 1.5, (N, N)))
    A[:, 2], A[2] = np.eye(N)[2], np.eye(N)[2]
    z = np.array([1.0, -2.0, 0.0, 0.5])
    for radius in (1e-2, 1e3):
        p, _ = call(solve, A, z, radius, 0.0)
        assert abs(p[2]) <= 1e-15 * np.linalg.norm(p)  # the loop holds x0 exactly


@pytest.mark.parametrize("share", [1e-8, 1e-3, 0.5, 0.9, 1.0, 1.09, 2.0])
def test_levenberg_marquardt_meets_mores_tolerance(share):
    for R, z in systems():
        D = np.linalg.norm(R, axis=0)
        newton = -np.linalg.solve(R, z)
        radius = share * np.linalg.norm(D * newton)
        par, p = call(lm._lmpar, R, z, D, radius, 0.0, newton)
        norm = np.linalg.norm(D * p)
        if share >= 0.95:  # the Gauss-Newton step is long enough
            np.testing.assert_allclose(p, newton, rtol=1e-12)
            assert par == 0
        else:
            assert abs(norm - radius) <= 0.1 * radius * (1 + 1e-9)
            # p is on the curve p(lambda): the best step of its own length
            best, exact = boundary_step(R, z, norm, D)
            scale = np.linalg.norm(D * best)
            assert np.linalg.norm(D * (p - best)) <= 1e-6 * scale
            assert par == pytest.approx(exact, rel=1e-5)


def test_levenberg_marquardt_with_equal_columns():
    rng = np.random.default_rng(5)
    R = np.linalg.qr(np.repeat(rng.standard_normal((9, 2)), 2, axis=1))[1]
    z = R @ rng.standard_normal(N)
    D = np.linalg.norm(R, axis=0)
    gauss_newton = call(lm._least_squares_triangular, R, z)
    assert np.isfinite(gauss_newton).all()
    _, p = call(lm._lmpar, R, z, D, 1e-3, 0.0, gauss_newton)
    assert np.isfinite(p).all()
    assert np.linalg.norm(D * p) == pytest.approx(1e-3, rel=0.1)
    best, _ = boundary_step(R, z, np.linalg.norm(D * p), D)
    gain, most = cost(R, z, 0 * p) - cost(R, z, p), cost(R, z, 0 * p) - cost(R, z, best)
    assert gain >= most * (1 - 1e-6)


# ---------------------------------------------------------------------------- the geometry


def boxes(count=40):
    rng = np.random.default_rng(6)
    for _ in range(count):
        lb = np.where(rng.random(N) < 0.3, -INF, rng.uniform(-3, 0, N))
        ub = np.where(rng.random(N) < 0.3, INF, rng.uniform(0.5, 3, N))
        low, high = np.maximum(lb, -4), np.minimum(ub, 4)
        yield low + rng.uniform(0.001, 0.999, N) * (high - low), lb, ub, rng


def test_stride_to_bound():
    for x, lb, ub, rng in boxes():
        s = rng.standard_normal(N) * (rng.random(N) < 0.8)
        t, hits = call(geometry.stride_to_bound, x, s, lb, ub)
        strides = [((ub if s[j] > 0 else lb)[j] - x[j]) / s[j] if s[j] else INF for j in range(N)]
        assert t == pytest.approx(min(strides), rel=1e-14)
        if np.isfinite(t):
            expected = [np.sign(s[j]) if strides[j] == min(strides) else 0 for j in range(N)]
            assert hits.tolist() == expected
            inside = x + 0.999 * t * s
            assert np.all((lb <= inside) & (inside <= ub))
            outside = x + 1.001 * t * s
            assert np.any((outside < lb) | (outside > ub))


def test_stride_to_sphere():
    rng = np.random.default_rng(7)
    for _ in range(40):
        p, s = rng.standard_normal(N), rng.standard_normal(N) * 10.0 ** rng.uniform(-8, 8)
        radius = np.linalg.norm(p) * rng.choice([1.0, 1.0 + 1e-9, 2.0, 1e6])
        t = call(geometry.stride_to_sphere, p, s, radius)
        assert t >= 0
        assert np.linalg.norm(p + t * s) == pytest.approx(radius, rel=1e-9)
        roots = np.roots([s @ s, 2 * p @ s, p @ p - radius**2]).real
        assert t == pytest.approx(max(roots.max(), 0), rel=1e-5, abs=1e-7 / np.linalg.norm(s))
    assert call(geometry.stride_to_sphere, np.ones(N), np.zeros(N), 5.0) == 0


def test_minimise_on_interval():
    rng = np.random.default_rng(8)
    for _ in range(60):
        a, b, c = rng.standard_normal(3) * (rng.random(3) < 0.8)
        low, high = np.sort(rng.standard_normal(2))
        t, value = call(geometry.minimise_on_interval, a, b, c, low, high)
        grid = np.linspace(low, high, 2001)
        assert low <= t <= high
        assert value == pytest.approx(a * t * t + b * t + c, abs=1e-13)
        assert value <= (a * grid**2 + b * grid + c).min() + 1e-13


def test_strictly_inside():
    lb = np.array([0.0, -1.0, -INF, 1e9])
    ub = np.array([1.0, INF, 2.0, np.nextafter(np.nextafter(1e9, INF), INF)])
    for x in ([0, -1, 2, 1e9], [1, 5, 3, ub[3]], [-7, -7, -7, -7], [9, 9, 9, 2e9], [0.5] * 4):
        y = call(geometry.strictly_inside, np.array(x, float), lb, ub)
        assert np.all((lb < y) & (y < ub))
        inner = (np.array(x) > lb) & (np.array(x) < ub)
        np.testing.assert_array_equal(y[inner], np.array(x, float)[inner])


def test_coleman_li():
    for x, lb, ub, rng in boxes():
        g = rng.standard_normal(N) * (rng.random(N) < 0.8)
        v, dv = call(geometry.coleman_li, x, g, lb, ub)
        for j in range(N):
            if g[j] < 0 and np.isfinite(ub[j]):
                assert (v[j], dv[j]) == (ub[j] - x[j], -1)
            elif g[j] > 0 and np.isfinite(lb[j]):
                assert (v[j], dv[j]) == (x[j] - lb[j], 1)
            else:
                assert (v[j], dv[j]) == (1, 0)


def test_optimality_has_no_units():
    for (R, z), (x, lb, ub, rng) in zip(systems(), boxes(), strict=False):
        half = 0.5 * z @ z + 0.1
        columns = np.linalg.norm(R, axis=0)
        measure = call(geometry.scaled_optimality, x, R.T @ z, columns, half, lb, ub)
        assert 0 <= measure <= 1
        unit = 10.0 ** rng.integers(-6, 7, N)
        again = call(
            geometry.scaled_optimality, x * unit, (R.T @ z) / unit * 1e8, columns / unit * 1e4,
            half * 1e8, lb * unit, ub * unit,
        )  # fmt: skip
        assert again == pytest.approx(measure, rel=1e-9)


def test_optimality_vanishes_at_a_constrained_minimum():
    x = np.array([0.0, 1.0, 2.0, 0.5])
    lb, ub = np.array([0.0, -1, -1, -1]), np.array([3.0, 1, 3, 3])
    g = np.array([2.0, -3.0, 0.0, 0.0])  # pushing out of both bounds
    assert call(geometry.scaled_optimality, x, g, np.ones(N), 1.0, lb, ub) == 0
    assert call(geometry.scaled_optimality, x, -g, np.ones(N), 1.0, lb, ub) > 0.1


# ------------------------------------------------------------------------------- proposals


def point_at(x, R, z, optimality=0.1):
    none = np.zeros(N, bool)
    norms = np.linalg.norm(R, axis=0)
    P = np.linalg.inv(R)
    return Point(x, 0.5 * z @ z, R, P, z, norms, 1.0, none, none, optimality, x)


def setup_of(lb, ub, x0=None, free=None):
    x0 = np.zeros(N) if x0 is None else x0
    free = np.ones(N) if free is None else free
    return Setup(x0, lb, ub, np.zeros(N), free, 1e-8, 1e-8, 1e-8, 100, 1.0, 1.0, np.inf)


def problems():
    for (R, z), (x, lb, ub, rng) in zip(systems(40), boxes(40), strict=True):
        radius = 10.0 ** rng.uniform(-3, 3)
        yield R, z, x, lb, ub, radius, 1 / np.linalg.norm(R, axis=0)


def test_trf_stays_strictly_inside_and_predicts_its_quadratic():
    for R, z, x, lb, ub, radius, scale in problems():
        args = point_at(x, R, z), radius, 0.0, scale, setup_of(lb, ub), True
        proposal = call(TRF.propose, *args, static=(5,))
        trial = call(TRF.land, x, proposal.step, lb, ub)
        assert np.all((lb < trial) & (trial < ub))
        np.testing.assert_allclose(trial, x + proposal.step, rtol=1e-9, atol=1e-12)
        # the model in hat space: J d, with C = diag(g dv scale) as extra rows
        g = R.T @ z
        v, dv = call(geometry.coleman_li, x, g, lb, ub)
        C = g * dv * scale
        d = np.sqrt(np.where(dv != 0, v / scale, v)) * scale
        assert np.all(C >= 0)
        p = proposal.step / d
        bound_term = 0.5 * p @ (C * p)
        predicted = cost(R, z, 0 * x) - cost(R, z, proposal.step) - bound_term
        size = 0.5 * z @ z
        assert proposal.predicted == pytest.approx(predicted, rel=1e-6, abs=1e-9 * size)
        assert proposal.predicted > 0
        assert proposal.correction == pytest.approx(bound_term, rel=1e-6, abs=1e-10 * size)
        assert proposal.norm == pytest.approx(np.linalg.norm(p), rel=1e-9)
        assert proposal.norm <= radius * (1 + 1e-9)
        # at least 99.5 % of the step to the wall along the scaled gradient
        direction = -d * (d * g)
        wall, _ = call(geometry.stride_to_bound, x, direction, lb, ub)
        t = 0.9 * min(wall, radius / np.linalg.norm(d * g))
        curvature = np.sum((R @ direction) ** 2) + (direction / d) @ (C * direction / d)
        t = min(t, -(g @ direction) / curvature)
        cauchy = -(t * g @ direction + 0.5 * t * t * curvature)
        assert proposal.predicted >= cauchy * (1 - 1e-6)


def test_trf_without_bounds_predicts_its_quadratic():
    for R, z, x, _, _, radius, scale in problems():
        free = setup_of(np.full(N, -INF), np.full(N, INF))
        proposal = call(
            TRF.propose, point_at(x, R, z), radius, 0.0, scale, free, False, static=(5,)
        )
        step = proposal.step
        expected = cost(R, z, 0 * x) - cost(R, z, step)
        assert proposal.predicted == pytest.approx(expected, rel=1e-8, abs=1e-12 * (z @ z))
        assert proposal.norm == pytest.approx(np.linalg.norm(step / scale), rel=1e-10)
        assert proposal.norm <= radius * (1 + 1e-10)
        best, _ = boundary_step(R, z, radius, 1 / scale)
        assert expected >= 0.98 * (cost(R, z, 0 * x) - cost(R, z, best)) * (1 - 1e-9)


def test_dogbox_stays_in_its_box():
    for R, z, x, lb, ub, radius, scale in problems():
        for start in (x, np.where(np.isfinite(lb), lb, x), np.where(np.isfinite(ub), ub, x)):
            args = point_at(start, R, z), radius, 0.0, scale, setup_of(lb, ub), True
            proposal = call(DOGBOX.propose, *args, static=(5,))
            step = proposal.step
            trial = call(DOGBOX.land, start, step, lb, ub)
            assert np.all((lb <= trial) & (trial <= ub))
            assert np.all(np.abs(step) <= radius * scale * (1 + 1e-12))
            expected = cost(R, z, 0 * x) - cost(R, z, step)
            assert proposal.predicted == pytest.approx(expected, rel=1e-6, abs=1e-9 * (z @ z))
            assert proposal.predicted >= -1e-12 * (z @ z)
            g = R.T @ z
            held = ((start <= lb) & (g > 0)) | ((start >= ub) & (g < 0))
            assert (step[held] == 0).all()
            # no worse than the projected gradient inside the box
            direction = np.where(held, 0.0, -g)
            low, high = (
                np.maximum(lb - start, -radius * scale),
                np.minimum(ub - start, radius * scale),
            )
            if direction.any():
                t, _ = call(geometry.stride_to_bound, np.zeros(N), direction, low, high)
                t = min(t, direction @ direction / np.sum((R @ direction) ** 2))
                assert expected >= (cost(R, z, 0 * x) - cost(R, z, t * direction)) * (1 - 1e-6)


@pytest.mark.parametrize("seed", range(20))
def test_the_polishing_step_solves_the_linear_problem_on_its_face(seed):
    """From next to the minimum of a bounded linear problem it lands on the minimum."""
    rng = np.random.default_rng(seed)
    J, y = rng.standard_normal((12, N)), rng.standard_normal(12)
    free_minimum = np.linalg.lstsq(J, y, rcond=None)[0]
    lb, ub = free_minimum - rng.uniform(0.5, 2, N), free_minimum + rng.uniform(0.5, 2, N)
    cut = rng.random(N) < 0.4
    ub = np.where(cut, free_minimum - 0.05, ub)
    lb = np.minimum(lb, ub - 0.3)
    solution = scipy.optimize.lsq_linear(J, y, (lb, ub), method="bvls", tol=1e-14).x
    at_low, at_high = solution <= lb + 1e-12, solution >= ub - 1e-12
    x = np.where(at_low, lb + 1e-7, np.where(at_high, ub - 1e-7, solution + 1e-4))
    Q, R = np.linalg.qr(J)
    point = point_at(x, R, Q.T @ (J @ x - y))
    target = call(
        lambda point, setup: trf.gauss_newton_on_face(point, setup, False, True),
        point, setup_of(lb, ub),
    )  # fmt: skip
    np.testing.assert_allclose(target, solution, atol=1e-12)
    assert (target[at_low] == lb[at_low]).all() and (target[at_high] == ub[at_high]).all()
    g = J.T @ (J @ target - y)
    inside = ~(at_low | at_high)
    assert np.abs(g[inside]).max(initial=0) <= 1e-12
    assert (g[at_low] >= 0).all() and (g[at_high] <= 0).all()


# -------------------------------------------------------------------------------- the loop


def banana(x):
    return jnp.array([10 * (x[1] - x[0] ** 2), 1 - x[0]])


def wood(x):
    a, b, c, d = x
    return jnp.stack(
        [10 * (b - a * a), 1 - a, 90**0.5 * (d - c * c), 1 - c, 10**0.5 * (b + d - 2),
         10**-0.5 * (b - d)]
    )  # fmt: skip


def powell_singular(x):
    a, b, c, d = x
    return jnp.stack([a + 10 * b, 5**0.5 * (c - d), (b - 2 * c) ** 2, 10**0.5 * (a - d) ** 2])


@pytest.mark.parametrize("fun", [banana, wood, powell_singular])
@pytest.mark.parametrize("method", ["trf", "trf, bounded", "dogbox", "lm"])
def test_the_cost_never_rises(fun, method):
    n = 2 if fun is banana else 4
    rng = np.random.default_rng(9)
    options = {"method": method.split(",")[0]}
    if "bounded" in method or method == "dogbox":
        options["bounds"] = (-3.0, 0.9)  # the minimum at 1 is cut off
    for _ in range(6):
        costs = []
        x0 = rng.uniform(-2.5, 0.8, n)
        result = least_squares(
            fun, x0, callback=lambda it, cost, p, info, costs=costs: costs.append(cost), **options
        )
        assert len(costs) > 1
        # while polishing a step may be level, to rounding of the cost
        rises = np.diff(costs) > 1e-10 * np.array(costs[:-1]) + 1e-300
        assert not rises.any()
        assert result.cost <= costs[0] * (1 + 1e-10)
        # a local minimum, constrained or not
        assert result.optimality <= 1e-5 * (1 + costs[0])
