"""`fit_many` from several starts for each data set, as of sines, which no default start finds."""

import numpy as np
import pytest
import scipy.optimize

from nlsq import CurveFits, curve_fit, fit_many
from nlsq.core.loop.status import Status
from nlsq.global_optimization import GlobalOptimizationConfig

pytestmark = pytest.mark.usefixtures("unpaid", "quickly")

X = np.linspace(0, 10, 80)
SINE = np.array([[2.0, 18.7, 1.3], [4.5, 10.8, 5.0], [1.6, 13.4, 2.0], [3.1, 3.5, 0.4]])
MANY = {"multistart": True, "n_starts": 200, "backend": "numpy"}


def sine(x, a, w, phi):
    return a * np.sin(w * x + phi)


def branching(x, a, w, phi):
    return a * np.sin(w * x + phi) if w < 1e3 else np.zeros(len(x))


def peaks(x, a, b, c, d, e, f, base):
    return a * np.exp(-(((x - b) / c) ** 2)) + d * np.exp(-(((x - e) / f) ** 2)) + base


def noisy(curves, seed=0):
    curves = np.asarray(curves)
    return curves + 0.1 * np.random.default_rng(seed).standard_normal(curves.shape)


Y = noisy([sine(X, *p) for p in SINE])
OWN = np.stack([np.linspace(0, end, 80) for end in (9, 10, 11, 12)])
Y_OWN = noisy([sine(x, *p) for x, p in zip(OWN, SINE, strict=True)])
GAPS = np.where((X > 3) & (X < 3.5), np.nan, Y)
OUTLIER = np.where(X[40] == X, 1e3, Y)
SIGMA = np.where(X[40] == X, np.inf, np.array([[0.1], [0.1], [0.2], [0.1]]))


def scipys_cost(x, y, p, sigma=None):
    """Of SciPy's fit from the truth, with its points that count."""
    here = np.isfinite(y) if sigma is None else np.isfinite(sigma)
    sigma = np.ones(here.sum()) if sigma is None else sigma[here]
    popt, _ = scipy.optimize.curve_fit(sine, x[here], y[here], p, sigma)
    return 0.5 * np.sum(((sine(x[here], *popt) - y[here]) / sigma) ** 2)


@pytest.mark.parametrize(
    ("x", "y", "options"),
    [
        pytest.param(X, Y, {}, id="all share x"),
        pytest.param(OWN, Y_OWN, {}, id="x of each"),
        pytest.param([X[:80 - i] for i in range(4)], [y[:80 - i] for i, y in enumerate(Y)], {},
                     id="lengths of each"),
        pytest.param(X, GAPS, {"nan_policy": "omit"}, id="gaps"),
        pytest.param(X, OUTLIER, {"sigma": SIGMA}, id="sigma of each, a point without weight"),
        pytest.param(X, Y, {"bounds": ([0, 1, 0], np.c_[[9] * 4, SINE[:, 1] + 5, [7] * 4])},
                     id="bounds of each"),
        pytest.param(X, Y, {"bounds": ([0, 1, 0], [9, 30, 7])}, id="bounds of all"),
    ],
)  # fmt: skip
def test_each_ends_where_scipys_fit_from_the_truth_does(x, y, options):
    fits = fit_many(sine, x, y, **options, **MANY)
    sigma = options.get("sigma", [None] * 4)
    for i, p in enumerate(SINE):
        cost = scipys_cost(x if x is X else x[i], y[i], p, sigma[i])
        assert fits.cost[i] == pytest.approx(cost, rel=1e-6)
    assert (fits.minima.n_best >= 1).all() and (fits.minima.n_fits >= fits.minima.n_best).all()


def test_spectra_of_two_peaks_that_a_default_start_gets_wrong():
    rng, x = np.random.default_rng(3), np.linspace(0, 100, 120)
    low, high = np.array([[2, 10, 2, 2, 55, 2, -1], [5, 45, 6, 5, 90, 6, 1]])
    true = rng.uniform(low, high, (30, 7))
    y = noisy([peaks(x, *p) for p in true])
    fits = fit_many(peaks, x, y, **MANY)
    best = [scipy.optimize.curve_fit(peaks, x, row, p)[0] for row, p in zip(y, true, strict=True)]
    cost = [0.5 * np.sum((peaks(x, *p) - row) ** 2) for row, p in zip(y, best, strict=True)]
    np.testing.assert_allclose(fits.cost, cost, rtol=1e-6)
    assert (fits["c"] > 0).all() and (fits["f"] > 0).all()  # signs that say nothing are left out


@pytest.mark.parametrize("n_starts", [1, 70])
def test_no_fit_is_worse_for_a_search_nor_for_its_neighbours(n_starts):
    rng = np.random.default_rng(5)
    p0 = rng.uniform([1, 2, -3], [4, 20, 3], (6, 3))
    y = noisy([sine(X, *p) for p in p0 * [1, 1.02, 1]])
    y[3] = noisy(np.zeros(80))  # nothing but noise
    options = {"p0": p0, "backend": "numpy", "multistart": True, "n_starts": n_starts}
    plain = fit_many(sine, X, y, p0, backend="numpy")
    fits = fit_many(sine, X, y, **options)
    assert (fits.cost <= plain.cost * (1 + 1e-9)).all()
    same = np.isclose(fits.cost, plain.cost, rtol=1e-6)
    np.testing.assert_array_equal(fits.popt[same], plain.popt[same])  # bit by bit
    for some in (slice(2, 4), slice(1, 2)):  # a batch that goes on may have one left
        few = fit_many(sine, X, y[some], **options | {"p0": p0[some]})
        np.testing.assert_allclose(few.popt, fits.popt[some], rtol=1e-9)
        np.testing.assert_array_equal(few.minima.n_fits, fits.minima.n_fits[some])


def test_the_seed_decides_and_the_way_of_evaluation_does_not():
    y = noisy([sine(X, *p) for p in np.repeat(SINE, 2, axis=0)])
    first, again = (fit_many(sine, X, y, seed=3, **MANY) for _ in range(2))
    np.testing.assert_array_equal(first.popt, again.popt)
    one = fit_many(branching, X, Y, seed=3, **MANY)  # one by one, as `curve_fit` does
    for i, row in enumerate(Y):
        single = curve_fit(branching, X, row, seed=3, **MANY)
        assert one.cost[i] == pytest.approx(single.cost, rel=1e-6)


def test_the_evidence_is_kept_with_the_fits(tmp_path):
    y = Y.reshape(2, 2, 80).copy()
    y[1, 0, 5] = np.nan
    fits = fit_many(sine, X, y, out=tmp_path / "fits", **MANY)
    fits.save(tmp_path / "fits.npz")
    assert fits.status[1, 0] == Status.NOT_FINITE and np.isnan(fits.popt[1, 0]).all()
    found = fits.minima
    assert found.n_fits.shape == (2, 2) and found.n_fits[1, 0] == found.n_best[1, 0] == 0
    others = np.array([[True, True], [False, True]])
    assert (found.n_best[others] >= 3).all() and (found.next[others] > 10).all()
    assert np.isnan(found.next[1, 0])
    made = found.n_fits.sum()
    assert f"best of {made} local fits for 3 data sets" in fits.summary()
    assert f"best of {made} local fits" in fits._repr_html_()
    assert not hasattr(fits[0, 1], "minima_fits")
    for path in ("fits", "fits.npz"):
        stored = CurveFits.load(tmp_path / path)
        for name in ("n_fits", "n_best", "next"):
            np.testing.assert_array_equal(getattr(stored.minima, name), getattr(found, name))
    assert isinstance(stored[0, 1].popt, np.ndarray)
    with pytest.raises(AttributeError, match="without a search"):
        fit_many(sine, X, Y, backend="numpy").minima  # noqa: B018


def test_a_search_that_time_ends_leaves_time_for_the_fits():
    p0, y = np.repeat(SINE * [1, 1.001, 1], 50, axis=0), np.repeat(Y, 50, axis=0)
    fits = fit_many(branching, X, y, p0, global_search=True, time_limit=1, backend="numpy")
    searched = fits.minima.n_fits > 0
    assert searched.any() and not searched.all()
    assert (fits.status[searched] > 0).any()


@pytest.mark.parametrize(
    ("error", "text", "options"),
    [
        (TypeError, "'n_starts' is for a search: add multistart=True, or", {"n_starts": 9}),
        (TypeError, "'seed' is for a search", {"seed": 0}),
        (TypeError, "'method'; it is one of `curve_fit`", {"method": "global"}),
        (TypeError, "'cmaes_config'; it is one of", {"multistart": True, "cmaes_config": 1}),
        (TypeError, "multistart must be True or False", {"multistart": 5}),
        (ValueError, "n_starts must be at least 1", {"multistart": True, "n_starts": 0}),
        (ValueError, "`sampler` must be one of", {"multistart": True, "sampler": "mc"}),
        (ValueError, "no preset 'globe'; did you mean 'global'", {"search_config": "globe"}),
        (TypeError, "Did you mean 'multistart'", {"multistarts": True}),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_search(error, text, options):
    with pytest.raises(error, match=text):
        fit_many(sine, X, Y, **options)


def test_settings_of_a_search():
    config = GlobalOptimizationConfig(n_starts=20, sampler="halton", seed=2)
    fits = fit_many(sine, X, Y[:2], search_config=config, backend="numpy")
    same = fit_many(sine, X, Y[:2], multistart=True, n_starts=20, sampler="halton", seed=2,
                    backend="numpy")  # fmt: skip
    np.testing.assert_array_equal(fits.popt, same.popt)
    assert (fits.minima.n_fits <= 1 + 5 + 8).all()
