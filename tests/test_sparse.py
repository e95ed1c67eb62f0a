"""Jacobians that are sparse or known by their products, against SciPy and dense ones."""

import sys
import time
import tracemalloc

import numpy as np
import pytest
import scipy.optimize
import scipy.sparse as sp
from scipy.sparse.linalg import aslinearoperator

from nlsq import SmartCache, curve_fit, least_squares
from nlsq.core.model import differences
from nlsq.core.model.jacobians import Pattern, form

pytestmark = pytest.mark.core


class Chain:
    """Broyden's tridiagonal equations of n unknowns, pulled towards sin(i), so that |r| > 0."""

    def __init__(self, n):
        self.n, i = n, np.arange(n)
        self.target = np.sin(i)
        self.x0 = -1 + 0.1 * np.cos(3 * i)
        self.bounds = np.full(n, -1.2), np.where(i % 3 == 0, -0.6, 0.3)
        self.pattern = sp.vstack([sp.diags_array([1.0] * 3, offsets=[-1, 0, 1], shape=(n, n)),
                                  sp.eye_array(n)])  # fmt: skip

    def fun(self, x):
        f = (3 - x) * x + 1
        f[1:] -= x[:-1]
        f[:-1] -= 2 * x[1:]
        return np.concatenate([f, 0.3 * (x - self.target)])

    def jac(self, x):
        ones = np.ones(self.n - 1)
        J = sp.diags_array([-ones, 3 - 2 * x, -2 * ones], offsets=[-1, 0, 1])
        return sp.vstack([J, 0.3 * sp.eye_array(self.n)])


CHAIN = Chain(40)
FORMS = {
    "csr": lambda J: J.tocsr(),
    "coo matrix": lambda J: sp.coo_matrix(J),
    "lil": lambda J: J.tolil(),
    "operator": aslinearoperator,
}
FITS = {
    "free": {},
    "bounds": {"bounds": CHAIN.bounds},
    "loss": {"loss": "soft_l1", "f_scale": 0.3},
    "loss and bounds": {"loss": "cauchy", "f_scale": 0.5, "bounds": CHAIN.bounds},
    "x_scale": {"x_scale": 1 + np.arange(40) % 3},
}


@pytest.fixture(scope="module")
def exact():
    found = {}

    def get(name):
        if name not in found:
            options = {"jac": lambda x: CHAIN.jac(x).toarray(), "max_nfev": 3000} | FITS[name]
            found[name] = scipy.optimize.least_squares(
                CHAIN.fun, CHAIN.x0, ftol=1e-15, xtol=1e-15, gtol=1e-13, **options
            )
        return found[name]

    return get


@pytest.mark.parametrize("fit", FITS)
@pytest.mark.parametrize("kind", FORMS)
def test_ends_where_scipys_exact_solver_does(kind, fit, exact):
    theirs = exact(fit)
    for method in ("trf", "dogbox"):
        for solver in (None, "lsmr"):
            ours = least_squares(
                CHAIN.fun, CHAIN.x0, lambda x: FORMS[kind](CHAIN.jac(x)), method=method,
                tr_solver=solver, **FITS[fit],
            )  # fmt: skip
            assert ours.success, (method, solver)
            assert ours.cost <= theirs.cost * (1 + 1e-9), (method, solver)
            np.testing.assert_allclose(ours.x, theirs.x, atol=2e-6)
            np.testing.assert_allclose(ours.fun, CHAIN.fun(ours.x), atol=1e-14)
            J = ours.jac @ np.eye(40)
            np.testing.assert_allclose(J, theirs.jac, atol=1e-4)
            if "loss" not in fit:
                np.testing.assert_allclose(ours.grad, J.T @ ours.fun, atol=1e-12)


def test_a_dense_jacobian_is_solved_by_products_too(exact):
    for solver in ("cg", "lsmr"):
        ours = least_squares(
            CHAIN.fun, CHAIN.x0, lambda x: CHAIN.jac(x).toarray(), tr_solver=solver
        )
        np.testing.assert_allclose(ours.x, exact("free").x, atol=2e-6)


@pytest.mark.parametrize("scheme", differences.SCHEMES)
def test_a_pattern_gives_the_differences_of_each_column(scheme):
    rng = np.random.default_rng(1)
    for _ in range(5):
        m, n = rng.integers(1, 12, 2)
        mask = rng.random((m, n)) < 0.3
        A, p = np.where(mask, rng.normal(size=(m, n)), 0), rng.normal(size=n)
        lb, ub = p - rng.choice([0, 1e-9, 1], n), p + rng.choice([0, 1e-9, 1], n)
        seen = []

        def f(q, A=A, seen=seen):
            seen.append(q)
            return A @ np.sin(q)

        given = p, f(p), scheme, None, lb, ub
        dense = differences.jacobian(f, *given).T
        seen.clear()
        pattern = Pattern(sp.coo_array(mask), m, n)
        found = differences.sparse_jacobian(f, *given, pattern)
        np.testing.assert_array_equal(found.toarray(), np.where(mask, dense, 0))
        assert len(seen) == pattern.count * (2 if scheme == "3-point" else 1)
        if scheme != "cs":
            assert all((lb <= q).all() and (q <= ub).all() for q in seen)
        for k in range(pattern.count):  # no row twice in a group
            assert mask[:, pattern.groups == k].sum(axis=1).max(initial=0) <= 1


def test_a_band_takes_as_many_groups_as_it_is_wide():
    for width in (1, 3, 7):
        band = sp.diags_array([1.0] * width, offsets=range(width), shape=(50, 50))
        assert Pattern(band, 50, 50).count == width


def test_a_pattern_is_copied_and_its_duplicates_are_one_place():
    given = sp.csc_array(([0.0, 1.0, 1.0], [0, 1, 1], [0, 1, 3]), shape=(2, 2))
    pattern = Pattern(given, 2, 2)
    assert given.data.size == 3 and pattern.rows.tolist() == [1]


def test_a_pattern_counts_beside_positional_options_and_in_a_cache():
    cache = SmartCache()
    given = CHAIN.fun, CHAIN.x0, "2-point", (-np.inf, np.inf), "trf", 1e-8
    for pattern in (CHAIN.pattern, None):
        found = least_squares(*given, jac_sparsity=pattern, tr_solver="cg", cache=cache)
        assert sp.issparse(found.jac) is (pattern is not None)
    assert cache.info().hits == 0


@pytest.mark.parametrize("jac", [None, *differences.SCHEMES])
def test_fits_by_a_pattern(jac, exact):
    for fit in ("free", "bounds"):
        ours = least_squares(
            CHAIN.fun, CHAIN.x0, jac, jac_sparsity=CHAIN.pattern.toarray(), **FITS[fit]
        )
        assert ours.success and sp.issparse(ours.jac)
        np.testing.assert_allclose(ours.x, exact(fit).x, atol=2e-6)


def test_nothing_is_as_large_as_unknowns_times_residuals():
    chain = Chain(5_000)  # 400 MB as an array
    for options in ({"jac": chain.jac}, {"jac_sparsity": chain.pattern, "bounds": (-2, 2)}):
        tracemalloc.start()
        result = least_squares(chain.fun, chain.x0, **options)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert result.success
        assert peak < 200 * 8 * chain.n


@pytest.mark.parametrize("options", [*FITS.values(), {"method": "dogbox"}, {"tr_solver": "lsmr"}])
def test_no_work_in_python_for_each_unknown(options):
    calls = []
    for n in (200, 5000):
        chain = Chain(n)
        here = dict(options)
        if "bounds" in here:
            here["bounds"] = chain.bounds
        if "x_scale" in here:
            here["x_scale"] = np.ones(n)
        least_squares(chain.fun, chain.x0, chain.jac, max_nfev=3, **here)  # imports and caches
        count = 0

        def tally(frame, event, argument):
            nonlocal count
            count += event == "call"

        sys.setprofile(tally)
        try:
            least_squares(chain.fun, chain.x0, chain.jac, max_nfev=3, **here)
        finally:
            sys.setprofile(None)
        calls.append(count)
    assert calls[1] < calls[0] + 4800  # not one more for each unknown


def test_dead_and_fixed_unknowns_stay():
    def jac(x):
        J = CHAIN.jac(x).tolil()
        J[:, 5] = 0
        return J

    def fun(x):
        return CHAIN.fun(np.where(np.arange(40) == 5, 0.25, x))

    lb, ub = np.full(40, -np.inf), np.full(40, np.inf)
    lb[9] = ub[9] = CHAIN.x0[9]
    free = np.delete(np.arange(40), [5, 9])

    def rest(q):
        x = CHAIN.x0.copy()
        x[free] = q
        return fun(x)

    theirs = scipy.optimize.least_squares(rest, CHAIN.x0[free], ftol=1e-14, xtol=1e-14)
    for solver in ("cg", "lsmr"):
        ours = least_squares(fun, CHAIN.x0, jac, (lb, ub), tr_solver=solver)
        assert ours.success
        np.testing.assert_array_equal(ours.x[[5, 9]], CHAIN.x0[[5, 9]])
        np.testing.assert_allclose(ours.x[free], theirs.x, atol=1e-6)


def test_columns_of_very_different_sizes():
    units = 10.0 ** (np.arange(40) % 7 * 3 - 9)

    def jac(x):
        return CHAIN.jac(x / units) @ sp.diags_array(1 / units)

    plain = least_squares(CHAIN.fun, CHAIN.x0, CHAIN.jac)
    for kind in (FORMS["csr"], aslinearoperator):
        ours = least_squares(
            lambda x: CHAIN.fun(x / units), CHAIN.x0 * units, lambda x, kind=kind: kind(jac(x))
        )
        assert ours.success
        np.testing.assert_allclose(ours.x / units, plain.x, rtol=1e-8)


@pytest.mark.parametrize("solver", ["cg", "lsmr"])
def test_stops(solver):
    def fit(**options):
        return least_squares(CHAIN.fun, CHAIN.x0, CHAIN.jac, tr_solver=solver, **options)

    seen = []
    full = fit(callback=seen.append)
    assert full.success and len(seen) == full.nit
    np.testing.assert_array_equal(seen[-1], full.x)

    def stop(x):
        raise StopIteration

    assert (fit(callback=stop).status, fit(callback=stop).nit) == (-2, 1)
    late = fit(time_limit=0.05, callback=lambda *_: time.sleep(0.06))
    assert late.status == -5
    for budget in (1, 2, 4):
        calls = []
        short = least_squares(
            lambda x, calls=calls: calls.append(1) or CHAIN.fun(x), CHAIN.x0, CHAIN.jac,
            tr_solver=solver, max_nfev=budget,
        )  # fmt: skip
        np.testing.assert_allclose(short.fun, CHAIN.fun(short.x))
        assert short.status == 0 and short.nfev == len(calls) == budget
    with pytest.raises(ValueError, match="not finite"):
        least_squares(lambda x: x * np.nan, CHAIN.x0, lambda x: sp.eye_array(40))


def test_a_step_out_of_the_domain_is_taken_back():
    def fun(x):
        with np.errstate(invalid="ignore"):
            return np.log(x) + 2.0

    for solver in ("cg", "lsmr"):
        ours = least_squares(fun, np.full(9, 3.0), lambda x: sp.diags_array(1 / x),
                             tr_solver=solver)  # fmt: skip
        np.testing.assert_allclose(ours.x, np.exp(-2), rtol=1e-9)


@pytest.mark.parametrize("solver", ["lsmr", "cg"])
def test_a_point_without_a_derivative_is_not_taken(solver):
    def jac(x):
        return sp.csr_array([[np.nan if x[0] < 0.5 else 1.0, 0.0], [0.0, 1.0]])

    result = least_squares(lambda x: x, [2.0, 2.0], jac, tr_solver=solver)
    assert not result.success and result.x[0] >= 0.5 and result.nfev < 300


def test_options_of_lsmr_act(capfd):
    def fit(**options):
        return least_squares(CHAIN.fun, CHAIN.x0, CHAIN.jac, tr_options=options)

    expected = fit().x
    few, many = fit(maxiter=2, regularize=False), fit(atol=1e-12, btol=1e-12)
    assert few.nit > many.nit
    for result in (many, fit(damp=1e-3), fit(conlim=1e8)):
        np.testing.assert_allclose(result.x, expected, atol=1e-6)
    capfd.readouterr()
    fit(show=True)
    assert "LSMR" in capfd.readouterr().out


def test_curve_fit_takes_products_on_the_host_but_no_sparse_jac():
    t = np.linspace(0, 3, 30)
    y = 2 * np.exp(-1.3 * t) + 0.01 * np.sin(40 * t)

    def model(t, a, k):
        return a * np.exp(-k * t)

    def jac(t, a, k):
        return np.stack([np.exp(-k * t), -a * t * np.exp(-k * t)], 1)

    popt, pcov = curve_fit(model, t, y, sigma=1 + t)
    for options in ({"tr_solver": "lsmr"}, {"tr_solver": "cg", "method": "dogbox"}):
        ours = curve_fit(model, t, y, sigma=1 + t, jac=jac, **options)
        np.testing.assert_allclose(ours.popt, popt, rtol=1e-9)
        np.testing.assert_allclose(ours.pcov, pcov, rtol=1e-7)
    with pytest.raises(TypeError, match=r"array.*toarray"):
        curve_fit(model, t, y, jac=lambda *args: sp.csr_array(jac(*args)))


@pytest.mark.parametrize(
    ("J", "shape"),
    [(3.0, (1, 1)), ([3.0], (1, 1)), ([1.0, 2, 3], (1, 3)), ([[1.0, 2, 3]], (1, 3)),
     ([1.0, 2, 3], (3, 1)), (sp.coo_array([[1.0, 0]]), (1, 2))],
    ids=str,
)  # fmt: skip
def test_forms_of_small_jacobians(J, shape):
    assert form(J, *shape).shape == shape
    with pytest.raises(ValueError, match=r"`jac` has wrong shape.*\(4, 2\)"):
        form(J, 4, 2)
