"""The matrix-free solver: same answers as the exact one and as SciPy's two, without a Jacobian."""

import time
import warnings

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.optimize

from nlsq import curve_fit, least_squares
from nlsq.config import double_precision
from nlsq.core.algebra import subproblem
from nlsq.core.loop import iterative
from nlsq.core.loop.state import Method, Setup, pack_setup
from nlsq.core.passes import blocks as passes
from nlsq.core.passes.layout import SIZES

pytestmark = pytest.mark.usefixtures("quickly")
TIGHT = {"ftol": 1e-15, "xtol": 1e-15, "gtol": 1e-15}


# ---------------------------------------------------------------- the inner solver


def _dense_path(B, g, maxiter):
    """Conjugate-gradient iterates from the definition: minimisers over growing Krylov spaces."""
    basis, path = np.zeros((g.size, 0)), [np.zeros(g.size)]
    vector = g.copy()
    for _ in range(maxiter):
        for _ in range(2):
            vector = vector - basis @ (basis.T @ vector)
        basis = np.column_stack([basis, vector / np.linalg.norm(vector)])
        path.append(-basis @ np.linalg.solve(basis.T @ B @ basis, basis.T @ g))
        vector = B @ basis[:, -1]
    return path


def _dense_optimum(B, g, radius):
    """Cost of the exact trust-region step, from the eigenvalues and the secular equation."""
    w, V = np.linalg.eigh(B)
    c = V.T @ g

    def step(shift):
        return -V @ (c / (w + shift))

    if np.linalg.norm(step(0.0)) <= radius:
        p = step(0.0)
    else:
        top = np.linalg.norm(g) / radius
        p = step(scipy.optimize.brentq(lambda s: np.linalg.norm(step(s)) - radius, 0.0, top))
    return g @ p + 0.5 * p @ B @ p


@pytest.fixture(scope="module")
def quadratic():
    rng = np.random.default_rng(3)
    A = rng.normal(size=(60, 12)) * np.geomspace(1, 0.05, 12)
    return A.T @ A, A.T @ rng.normal(size=60)


@jax.jit
def _compiled_steihaug(B, g, *numbers):
    return subproblem.steihaug(lambda v: B @ v, g, *numbers)


def _steihaug(B, g, radius, tolerance=1e-12, maxiter=100):
    with double_precision():
        p, rest, count = _compiled_steihaug(B, g, radius, tolerance, maxiter)
        return np.asarray(p), np.asarray(rest), int(count)


@pytest.mark.parametrize("leg", [1, 2, 3, 5, 8])
def test_the_region_cuts_the_path_where_it_leaves(quadratic, leg):
    B, g = quadratic
    path = _dense_path(B, g, 10)
    norms = np.linalg.norm(path, axis=1)
    assert (np.diff(norms) > 0).all()
    radius = 0.5 * (norms[leg - 1] + norms[leg])
    p, rest, count = _steihaug(B, g, radius)
    assert count == leg
    assert np.linalg.norm(p) == pytest.approx(radius, rel=1e-12)
    # the point of the segment path[leg - 1] .. path[leg] with the radius as its norm
    a, s = path[leg - 1], path[leg] - path[leg - 1]
    t = np.max(np.roots([s @ s, 2 * a @ s, a @ a - radius**2]).real)
    np.testing.assert_allclose(p, a + t * s, rtol=1e-8, atol=1e-10)
    np.testing.assert_allclose(rest, B @ p + g, rtol=1e-8, atol=1e-10)
    # Yuan (2000): at least half of what the exact step gains
    gained = -(g @ p + 0.5 * p @ B @ p)
    best = -_dense_optimum(B, g, radius)
    assert 0.5 * best <= gained <= best * (1 + 1e-12)


def test_a_wide_region_leaves_the_newton_step(quadratic):
    B, g = quadratic
    p, _, count = _steihaug(B, g, 1e6)
    np.testing.assert_allclose(p, -np.linalg.solve(B, g), rtol=1e-7)
    assert 12 <= count < 30


def test_tolerance_and_budget_stop_the_inner_solver(quadratic):
    B, g = quadratic
    path = _dense_path(B, g, 10)
    rests = [np.linalg.norm(B @ p + g) for p in path]
    _, rest, count = _steihaug(B, g, 1e6, tolerance=0.1 * np.linalg.norm(g))
    assert count == next(k for k in range(1, 11) if rests[k] <= 0.1 * rests[0])
    assert np.linalg.norm(rest) == pytest.approx(rests[count], rel=1e-6)
    p, _, count = _steihaug(B, g, 1e6, maxiter=4)
    assert count == 4
    np.testing.assert_allclose(p, path[4], rtol=1e-7, atol=1e-10)


def test_a_flat_direction_and_a_zero_gradient():
    B = np.diag([1.0, 2.0, 0.0])
    p, _, _ = _steihaug(B, np.array([1.0, 1.0, 0.0]), 10.0)
    np.testing.assert_allclose(p, [-1.0, -0.5, 0.0], atol=1e-12)
    p, _, _ = _steihaug(B, np.array([0.0, 0.0, 1.0]), 10.0)
    np.testing.assert_allclose(p, [0.0, 0.0, -10.0])
    p, _, count = _steihaug(B, np.zeros(3), 1.0)
    assert count == 0 and not p.any()


# ---------------------------------------------------------------- whole fits


def decay(t, a, k, c):
    return a * np.exp(-k * t) + c


def twin(t, a, k, b, q):
    """Two nearly equal exponentials: a Jacobian of condition 1e5."""
    return a * np.exp(-k * t) + b * np.exp(-q * t)


def _decay_data(noise=0.05):
    t = np.linspace(0, 5, 300)
    return t, decay(t, 2.5, 1.3, 0.4) + noise * np.random.default_rng(0).normal(size=t.size)


T, Y = _decay_data()
# the features of a fit are crossed with these solvers in `tests.table`
FITS = {
    "plain": (decay, T, Y, {"p0": [1, 1, 1]}),
    "active bounds": (decay, T, Y, {"p0": [1, 1, 1], "bounds": ([0, 0, 0.5], [10, 1.2, 3])}),
    "ill-conditioned": (
        twin, T, twin(T, 2.0, 1.0, 1.5, 1.12) + 1e-5 * np.sin(99 * T), {"p0": [1, 0.7, 2, 1.6]},
    ),
    "x_scale": (decay, T, Y, {"p0": [1, 1, 1], "x_scale": [1.0, 2.0, 0.5]}),
}  # fmt: skip


def _scipy(f, t, y, options, solver):
    """(x, cost) of SciPy's least_squares."""
    solution = scipy.optimize.least_squares(
        lambda p: f(t, *p) - y, options["p0"], jac="cs", tr_solver=solver,
        x_scale=options.get("x_scale", 1.0), max_nfev=2000, **TIGHT,
    )  # fmt: skip
    return solution.x, solution.cost


@pytest.mark.parametrize("name", ["ill-conditioned", "x_scale"])
@pytest.mark.filterwarnings("ignore:Setting `.tol` below")
def test_agrees_with_the_exact_solver_and_with_scipy(name):
    f, t, y, options = FITS[name]
    exact = curve_fit(f, t, y, tr_solver="exact", **options)
    ours = curve_fit(f, t, y, tr_solver="lsmr", **options)
    assert ours.success and ours.fixed == exact.fixed and ours.at_bound == exact.at_bound
    np.testing.assert_allclose(
        ours.popt, exact.popt, rtol=1e-6 if name == "ill-conditioned" else 1e-8
    )
    np.testing.assert_allclose(ours.pcov, exact.pcov, rtol=1e-7, atol=1e-9 * exact.pcov.max())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = [_scipy(f, t, y, options, solver) for solver in ("exact", "lsmr")]
    for _, cost in theirs:
        assert ours.cost <= cost * (1 + 1e-9)
    x, cost = min(theirs, key=lambda pair: pair[1])
    if cost < ours.cost * (1 + 1e-9):
        np.testing.assert_allclose(ours.popt, x, rtol=1e-5)


def rosenbrock_chain(x):
    return jnp.concatenate([10 * (x[1:] - x[:-1] ** 2), 1 - x[:-1]])


def test_rosenbrock_chain():
    x0 = np.tile([0.6, 1.2], 40)
    ours = least_squares(rosenbrock_chain, x0, tr_solver="lsmr")
    assert ours.success and ours.cost < 1e-20
    np.testing.assert_allclose(ours.x, 1.0, rtol=1e-9)

    def chain(x):
        return np.concatenate([10 * (x[1:] - x[:-1] ** 2), 1 - x[:-1]])

    for solver in ("exact", "lsmr"):
        theirs = scipy.optimize.least_squares(chain, x0, tr_solver=solver)
        np.testing.assert_allclose(ours.x, theirs.x, rtol=1e-6)
    exact = least_squares(rosenbrock_chain, x0)
    np.testing.assert_allclose(ours.x, exact.x, rtol=1e-9)


def spectrum(x, *p):
    height, centre, width = jnp.stack(p).reshape(20, 3).T
    return (height * jnp.exp(-(((x[:, None] - centre) / width) ** 2))).sum(1)


def test_a_spectrum_of_20_peaks():
    rng = np.random.default_rng(5)
    truth = np.column_stack(
        [rng.uniform(1, 5, 20), np.arange(20) + rng.uniform(0, 0.3, 20), rng.uniform(0.4, 0.7, 20)]
    ).ravel()
    x = np.linspace(-2, 22, 260)

    def model(p):
        height, centre, width = p.reshape(20, 3).T
        return (height * np.exp(-(((x[:, None] - centre) / width) ** 2))).sum(1)

    y = model(truth) + 0.02 * rng.normal(size=x.size)
    p0 = truth * (1 + 0.01 * rng.normal(size=truth.size))
    p0[1::3] = truth[1::3] + 0.05 * rng.normal(size=20)
    ours = curve_fit(spectrum, x, y, p0, tr_solver="lsmr")
    assert ours.model_info.pointwise and ours.success
    exact = curve_fit(spectrum, x, y, p0)
    np.testing.assert_allclose(ours.popt, exact.popt, rtol=1e-9)
    np.testing.assert_allclose(ours.perr, exact.perr, rtol=1e-7)

    def scipys(**options):
        return scipy.optimize.least_squares(
            lambda p: model(p) - y, p0, x_scale="jac", jac=lambda p: _rows(p, x), **options
        )

    theirs = scipys(tr_solver="exact", ftol=1e-13, xtol=1e-10)
    assert ours.cost <= theirs.cost * (1 + 1e-12)
    np.testing.assert_allclose(ours.popt, theirs.x, rtol=1e-5)
    early = scipys(tr_solver="lsmr", max_nfev=40)  # it creeps in the end, at a higher cost
    assert ours.cost <= early.cost <= ours.cost * 1.1
    np.testing.assert_allclose(ours.popt, early.x, rtol=0.05)


def _rows(p, x):
    height, centre, width = p.reshape(20, 3).T
    u = (x[:, None] - centre) / width
    e = np.exp(-(u**2))
    return np.stack([e, 2 * height * u * e / width, 2 * height * u**2 * e / width], 2).reshape(
        x.size, -1
    )


@pytest.mark.parametrize("tolerances", [{"gtol": 1e-5, "ftol": None, "xtol": None}, {}])
def test_columns_that_shrink_by_millions_do_not_stop_the_fit(tolerances):
    """Measured by the column norms of this start, the cosine test holds at x = 4 already."""

    def f(x):
        return jnp.stack([x[0] ** 4 - 1, 0.5 * x[0] - 2, x[1] * x[0] - 3, x[1] ** 3 - 1.5])

    ours = least_squares(f, [300.0, 30.0], tr_solver="cg", **tolerances)
    with double_precision():
        theirs = scipy.optimize.least_squares(f, [1.0, 1.0], jac=jax.jacobian(f), **TIGHT)
    np.testing.assert_allclose(ours.x, theirs.x, rtol=1e-8)


# ---------------------------------------------------------------- memory


def _shapes(jaxpr, found):
    for equation in jaxpr.eqns:
        found.update(getattr(v.aval, "shape", ()) for v in equation.outvars)
        for value in equation.params.values():
            for part in value if isinstance(value, tuple | list) else [value]:
                inner = getattr(part, "jaxpr", part)
                if hasattr(inner, "eqns"):
                    _shapes(inner, found)
    return found


@pytest.mark.parametrize("m, block", [(997, 0), (997, SIZES[0][0])])
@pytest.mark.parametrize("bounded", [False, True])
def test_no_jacobian_in_the_iteration(m, block, bounded):
    """No array has a side of points and a side of parameters, in any nesting of the program."""
    n = 37
    treedef = jax.tree.structure(0.0)
    capacity = SIZES[0][1] if block else m
    layout = passes.Layout(block, capacity, (0,), treedef, True, False, False)

    def call(x, p, points):
        return sum(a * jnp.exp(-j * x) for j, a in enumerate(p))

    task = iterative.Task(("test", m, bounded), call, layout, None, Method("trf", bounded, n))
    setup = Setup(np.ones(n), -np.ones(n), 2 * np.ones(n), np.zeros(n), np.ones(n),
                  1e-8, 1e-8, 1e-8, 100, 1.0, 1.0, np.inf)  # fmt: skip
    data = np.linspace(0, 1, capacity)
    arrays = ((data,), data, data + 1, None)
    arguments = (*arrays, pack_setup(setup, m), iterative.start(setup))
    with double_precision():
        limits = (np.array(0.0), np.array(50))
        traced = iterative.program("iterate", task).trace(*arguments, limits).jaxpr
        survey = iterative.program("survey", task).trace(*arguments).jaxpr
    sides = {capacity, m, block} - {0}
    for jaxpr in (traced, survey):
        shapes = _shapes(jaxpr.jaxpr, set())
        assert any(sides & set(s) for s in shapes), "the data are in the program"
        assert not [s for s in shapes if sides & set(s) and n in s]


# ---------------------------------------------------------------- stops and bad options


def _decay_with(**options):
    return curve_fit(decay, T, Y, [1, 1, 1], tr_solver="cg", **options)


@pytest.mark.parametrize(("method", "name"), [("dogbox", "active bounds"), ("lm", "plain")])
def test_other_methods_by_products(method, name):
    f, t, y, options = FITS[name]
    exact = curve_fit(f, t, y, method=method, **options)
    ours = curve_fit(f, t, y, method=method, tr_solver="cg", **options)
    assert ours.success and ours.at_bound == exact.at_bound and ours.model_info.road != "host"
    np.testing.assert_allclose(ours.popt, exact.popt, rtol=1e-9)
    np.testing.assert_allclose(ours.pcov, exact.pcov, rtol=1e-7)


def test_options_of_scipys_lsmr_put_a_fit_on_the_host():
    exact = curve_fit(decay, T, Y, [1, 1, 1])
    ours = curve_fit(decay, T, Y, [1, 1, 1], tr_solver="lsmr", tr_options={"btol": 1e-10})
    assert ours.model_info.road == "host" and "lsmr" in ours.model_info.reason
    np.testing.assert_allclose(ours.popt, exact.popt, rtol=1e-8)


def test_callback_time_limit_and_budget():
    seen = []
    result = _decay_with(callback=lambda i, cost, params, info: seen.append((i, cost)))
    assert result.success
    assert [i for i, _ in seen] == list(range(len(seen))) and len(seen) > 3
    assert np.all(np.diff([cost for _, cost in seen]) < 0)

    result = _decay_with(callback=lambda i, *_: i < 2)
    assert result.status == -2 and result.nit == 2
    assert result.cost == pytest.approx(seen[2][1]) and np.isfinite(result.pcov).all()

    result = _decay_with(time_limit=0.05, callback=lambda *_: time.sleep(0.06))
    assert result.status == -5 and result.nit == 0 and np.isfinite(result.pcov).all()

    bounded = least_squares(lambda p: decay(T, *p) - Y, [1, 1, 1], tr_solver="cg", max_nfev=3)
    assert bounded.status == 0 and not bounded.success


def test_ctrl_c_returns_the_best_point():
    def interrupt(iteration, *_):
        if iteration == 2:
            raise KeyboardInterrupt

    result = _decay_with(callback=interrupt)
    assert result.status == -4 and result.nit == 2 and np.isfinite(result.pcov).all()


def test_verbose_prints_a_line_per_iteration(capsys):
    result = _decay_with(verbose=2)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split()[0] == "Iteration" and 4 < len(lines) <= result.nfev + 2


def test_a_start_that_is_not_finite_is_named():
    with pytest.raises(ValueError, match="not finite"):
        curve_fit(lambda t, a, b: a * jnp.log(t - b), T, Y, [1, 1], tr_solver="cg")


def test_options_of_the_inner_solver_act():
    few = _decay_with(tr_options={"maxiter": 1})
    many = _decay_with(tr_options={"maxiter": 50, "tol": 1e-10})
    assert few.nit > many.nit
    np.testing.assert_allclose(few.popt, many.popt, rtol=1e-8)


@pytest.mark.parametrize(
    "options, error, text",
    [
        ({"tr_solver": "svd"}, ValueError, "tr_solver"),
        ({"tr_solver": "lsmr", "tr_options": {"tol": 0.1}}, TypeError, "'lsmr' has an unexpected"),
        ({"tr_solver": "cg", "tr_options": {"maxitr": 3}}, TypeError, "Did you mean 'maxiter'"),
        ({"tr_solver": "cg", "tr_options": {"maxiter": 0}}, ValueError, "positive integer"),
        ({"tr_solver": "cg", "tr_options": {"maxiter": 2.5}}, ValueError, "positive integer"),
        ({"tr_solver": "cg", "tr_options": {"tol": 1.0}}, ValueError, "between 0 and 1"),
        ({"tr_solver": "cg", "tr_options": [("tol", 0.1)]}, TypeError, "must be a dict"),
        ({"tr_options": {"tol": 0.1}}, ValueError, "the exact one has none"),
        ({"tr_solvr": "cg"}, TypeError, "Did you mean 'tr_solver'"),
    ],
)
def test_bad_options(options, error, text):
    with pytest.raises(error, match=text):
        curve_fit(decay, T, Y, [1, 1, 1], **options)


def test_models_without_products_are_refused():
    def halving(t, a, k):
        start = jnp.zeros_like(t), jnp.ones(())
        return jax.lax.while_loop(
            lambda c: c[1] > 1e-3, lambda c: (c[0] + c[1] * a * t**k, 0.5 * c[1]), start
        )[0]

    y = halving(T[1:], 1.0, 0.5) + 0.0
    curve_fit(halving, T[1:], y, [0.9, 0.6])
    with pytest.raises(ValueError, match=r"reverse-mode products.*tr_solver='exact'"):
        curve_fit(halving, T[1:], y, [0.9, 0.6], tr_solver="cg")
