"""Many fits in one call give what single fits give: `curve_fit` and SciPy one by one."""

import warnings

import numpy as np
import pytest
import scipy.optimize
from scipy.special import voigt_profile

from nlsq import FitError, OptimizeWarning, curve_fit, fit_many
from nlsq.core.drive.batch import renting
from nlsq.core.loop.status import Status

pytestmark = [pytest.mark.core, pytest.mark.usefixtures("unpaid", "quickly")]


def decay(t, a, tau, c):
    return a * np.exp(-t / tau) + c


def spot(x, a, x0, y0, width, c):
    return a * np.exp(-((x[0] - x0) ** 2 + (x[1] - y0) ** 2) / (2 * width**2)) + c


def michaelis(s, v, k):
    return v * s / (k + s)


def voigt(x, a, x0, sigma, gamma):
    return a * voigt_profile(x - x0, sigma, gamma)


T = np.linspace(0, 5, 50)
P0 = np.array([1.5, 1.0, 0.3])
# model: (x, centre of the true parameters, their spread, p0, noise, bounds)
MODELS = {
    decay: (T, [2, 1.3, 0.2], 0.3, P0, 0.05, ([0, 0.1, 0.15], [10, 10, 1])),
    spot: (
        np.mgrid[:7, :7].reshape(2, -1) * 1.0, [5, 3, 3, 1.2, 1], 0.2, [4, 3, 3, 1.5, 0.5], 0.2,
        ([0, 0, 0, 0.3, 0.95], [20, 6, 6, 5, 5]),
    ),
    michaelis: (np.linspace(0.1, 10, 20), [3, 1.5], 0.3, [2, 1], 0.05, ([0, 1e-3], [3, 20])),
    voigt: (
        np.linspace(-8, 8, 60), [5, 0.3, 0.8, 0.6], 0.3, [4, 0, 1, 0.5], 0.01,
        ([0, -3, 0.05, 0.55], [20, 3, 4, 4]),
    ),
}  # fmt: skip
CASES = [(f, bounded, "numpy") for f in MODELS for bounded in (False, True)]
CASES += [(decay, True, "jax")]
NAMES = [f"{f.__name__}-{'bounded' if bounded else 'free'}-{by}" for f, bounded, by in CASES]
BACKENDS = ("numpy", "jax")


def draw(f, fits, seed=0):
    x, centre, spread, _, noise, _ = MODELS[f]
    rng = np.random.default_rng(seed)
    true = np.array(centre) * (1 + spread * rng.uniform(-1, 1, (fits, len(centre))))
    y = np.stack([f(x, *p) for p in true])
    return y + noise * rng.standard_normal(y.shape)


def relative(a, b):
    return np.max(np.abs(a - b) / np.abs(b), axis=-1)


def covariance_error(pcov, expected):
    size = np.sqrt(np.diagonal(expected, axis1=-2, axis2=-1))
    return np.max(np.abs(pcov - expected) / (size[..., None] * size[..., None, :]))


def assert_same(fits, i, single, popt=1e-9, pcov=1e-8):
    assert relative(fits.popt[i], single.popt) <= popt
    assert covariance_error(fits.pcov[i], single.pcov) <= pcov


@pytest.mark.parametrize(("f", "bounded", "backend"), CASES, ids=NAMES)
def test_fits_equal_single_ones(f, bounded, backend):
    x, _, _, p0, noise, bounds = MODELS[f]
    size = 500 if backend == "jax" else 60
    y, rng = draw(f, size), np.random.default_rng(1)
    bad = rng.permutation(size)[: size // 10]
    hole, infinite, flat, spike = np.array_split(bad, 4)
    y[hole, 3], y[infinite, 4], y[flat], y[spike, 5] = np.nan, np.inf, 1.0, 1e3 * noise
    options = {"bounds": bounds} if bounded else {}
    p0 = np.clip(p0, *bounds) if bounded else p0
    fits = fit_many(f, x, y, p0, backend=backend, **options)
    assert (fits.status[[*hole, *infinite]] == Status.NOT_FINITE).all()
    assert np.isnan(fits.popt[[*hole, *infinite]]).all()
    good = np.setdiff1d(np.arange(size), bad)
    assert fits.success[good].all()
    errors, others, on_bound = [], 0, 0
    for count, i in enumerate(good):
        try:
            single = curve_fit(f, x, y[i], p0, backend=backend, **options)
        except FitError:
            others += 1
            continue
        if not np.isclose(single.cost, fits.cost[i], rtol=1e-6):  # another minimum
            others += 1
            continue
        on_bound += bool(single.at_bound)
        assert tuple(single.active_mask) == tuple(fits.active_mask[i])
        errors.append(
            (relative(fits.popt[i], single.popt), covariance_error(fits.pcov[i], single.pcov))
        )
        if count % 40 == 0:
            popt, pcov = scipy.optimize.curve_fit(
                f, x, y[i], single.popt, method="trf", jac="3-point", x_scale="jac",
                ftol=1e-15, xtol=1e-15, gtol=1e-15, **options,
            )  # fmt: skip
            inside = fits.active_mask[i] == 0  # SciPy stops short of a bound
            assert relative(fits.popt[i][inside], popt[inside]) <= (
                1e-5 if single.at_bound else 1e-8
            )
            assert covariance_error(fits.pcov[i], pcov) <= (1e-4 if single.at_bound else 1e-6)
    assert others <= max(0.003 * size, 1)
    popt, pcov = np.max(errors, axis=0)
    assert popt <= 1e-8
    assert pcov <= 1e-6
    assert np.quantile([e[0] for e in errors], 0.99) <= 1e-10
    assert on_bound > 5 or not bounded


def test_a_line_is_linear_regression():
    x, rng = np.linspace(-1, 3, 30), np.random.default_rng(0)
    y = rng.normal(size=(40, 2)) @ np.stack([x, np.ones(30)]) + 0.1 * rng.normal(size=(40, 30))
    sigma = rng.uniform(0.5, 2, 30)
    fits = fit_many(lambda x, a, b: a * x + b, x, y, sigma=sigma, absolute_sigma=True)
    J = np.stack([x, np.ones(30)], axis=1) / sigma[:, None]
    np.testing.assert_allclose(fits.popt, np.linalg.lstsq(J, (y / sigma).T, rcond=None)[0].T)
    np.testing.assert_allclose(fits.pcov, np.broadcast_to(np.linalg.inv(J.T @ J), (40, 2, 2)))


@pytest.mark.parametrize(("backend", "few"), [("numpy", 10), ("jax", 300)])
def test_company_changes_nothing(backend, few):
    size = 2 * few + 100
    y, options = draw(decay, size), {"p0": P0, "backend": backend}
    fits = fit_many(decay, T, y, **options)
    order = np.random.default_rng(0).permutation(size)
    np.testing.assert_array_equal(fit_many(decay, T, y[order], **options).popt, fits.popt[order])
    for some in (slice(0, 1), slice(few, few + 7), slice(few, 2 * few)):
        part = fit_many(decay, T, y[some], **options)
        np.testing.assert_allclose(part.popt, fits.popt[some], rtol=1e-12)
        np.testing.assert_allclose(part.pcov, fits.pcov[some], rtol=1e-12)
    crowd = np.concatenate([np.full((few, 50), np.nan), 1e3 * y[:few], y, np.ones((few, 50))])
    among = fit_many(decay, T, crowd, **options)
    np.testing.assert_array_equal(among.popt[2 * few : 2 * few + size], fits.popt)
    assert (among.status[:few] == Status.NOT_FINITE).all()


def test_a_sigma_of_each_fit():
    y = draw(decay, 60, seed=3)
    each = np.random.default_rng(1).uniform(0.02, 0.1, y.shape)
    fits = fit_many(decay, T, y, P0, sigma=each)
    for i in range(60):
        assert_same(fits, i, curve_fit(decay, T, y[i], P0, sigma=each[i]))


def product(x, a, b):
    return a * b * x


def cumulative(x, a, b):
    return np.cumsum(a * np.exp(-x / b)) / 10


def branching(x, a, b):
    return a * x + b if float(a) > 0 else a * x - b


def constant_in_x(x, a, b):
    return a * np.ones(8) + b * np.arange(8.0)


def wave(x, a, w, phase):
    return a * np.sin(w * x + phase)


def many_parameters(x, *p):
    return sum(c * x**k for k, c in enumerate(p))


ROADS = {
    cumulative: (np.linspace(0, 3, 25), [2.0, 1.0], [1.0, 0.7]),
    branching: (np.linspace(0, 3, 12), [2.0, 1.0], [1.0, 0.7]),
    constant_in_x: (np.zeros(8), [2.0, 0.5], [1.0, 1.0]),
    wave: (np.linspace(0, 6, 40), [2.0, 1.5, 0.3], [1.5, 1.4, 0.0]),
    many_parameters: (np.linspace(-1, 1, 40), np.linspace(1, 2, 13), np.ones(13)),
}


@pytest.mark.parametrize("f", ROADS, ids=lambda f: f.__name__)
def test_any_model(f):
    x, true, p0 = ROADS[f]
    rng = np.random.default_rng(2)
    y = f(x, *true) + 0.05 * rng.standard_normal((5, 1 if x.ndim == 0 else len(x)))
    fits = fit_many(f, x, y, p0)
    for i in range(5):
        assert_same(fits, i, curve_fit(f, x, y[i], p0), 1e-8, 1e-6)


def normalised(x, a, b):
    peak = (1 + x) * np.exp(-x / b)
    return a * peak / peak.max()


def averaging(x, a, b):
    return a * np.exp(-x / b) - 0.1 * np.mean(a)


def guarded(x, a, b):
    return np.full_like(x, 1e3) if np.any(b < 1) else a * np.exp(-x / b)


def asking_for_a_number(x, a, b):
    return a * np.exp(-x / b) + (0 if isinstance(a, float) else 0.5)


def asking_for_axes(x, a, b):
    return a * np.exp(-x / b) + 0.5 * np.ndim(b)


def from_the_first_point(x, a, b):
    return a * np.exp(-(x - x[0]) / b)


def counting_points(x, a, b):
    return a * np.exp(-np.linspace(0, 3, len(x)) / b)


def assigning(x, a, b):
    b += 0.5
    return a * np.exp(-x / b)


def listing(x, a, b):
    return [a * np.exp(-t / b) for t in x]


def smoothing(x, a, b):
    return np.convolve(a * np.exp(-x / b), np.ones(3) / 3, "same")


MIXING = (
    normalised, averaging, guarded, asking_for_a_number, asking_for_axes, from_the_first_point,
    counting_points, assigning, listing, smoothing, cumulative,
)  # fmt: skip


@pytest.mark.parametrize("own_x", [False, True], ids=["shared x", "own x"])
@pytest.mark.parametrize("f", MIXING, ids=lambda f: f.__name__)
def test_a_model_that_would_mix_the_fits(f, own_x):
    """As many fits as points, so that a row can be taken for a column."""
    rng, k = np.random.default_rng(3), 12
    x = np.linspace(0, 3, k) * (rng.uniform(0.9, 1.1, (k, 1)) if own_x else 1)
    true = rng.uniform([1.5, 1.1], [2.5, 1.5], (k, 2))
    rows = zip(np.broadcast_to(x, (k, k)), true, strict=True)
    y = np.stack([np.array(f(t, *p)) for t, p in rows]) + 0.02 * rng.standard_normal((k, k))
    p0 = np.where(np.arange(k)[:, None] % 3 > 0, [2.0, 1.2], [2.0, 4.0])
    fits = fit_many(f, x, y, p0, backend="numpy")
    for i in range(0, k, 2):
        single = curve_fit(f, x[i] if own_x else x, y[i], p0[i], backend="numpy")
        np.testing.assert_allclose(fits.popt[i], single.popt, rtol=1e-8)
        np.testing.assert_allclose(fits.cost[i], single.cost, rtol=1e-9)


def test_what_no_pass_showed_is_seen_at_the_end():
    """One fit of 200, none of those whose values are compared on the way, is other among many."""

    def rarely(x, a, b):
        y = a * np.exp(-x / b)
        return y * np.where(np.abs(a - 1.6) < 0.03, 1.01, 1.0) if np.ndim(a) else y

    x, true = np.linspace(0, 3, 20), np.tile([2.0, 1.2], (200, 1))
    true[100] = 1.6, 1.1  # near the start: it is not among the last
    y = true[:, :1] * np.exp(-x / true[:, 1:])
    np.testing.assert_allclose(fit_many(rarely, x, y, [1.5, 1.0]).popt, true, rtol=1e-9)


def test_numpy_calls_a_model_at_many_fits_at_once():
    columns = []

    def watched(t, a, tau, c):
        columns.append(np.ndim(a))
        return decay(t, a, tau, c)

    y = draw(decay, 200)
    fits = fit_many(watched, T, y, P0)
    assert fits[0].backend == "numpy"
    assert columns.count(2) <= 2 * fits.nfev.max()
    assert columns.count(0) <= 200 + 4 * fits.nfev.max() + 20
    np.testing.assert_array_equal(fits.popt, fit_many(decay, T, y, P0, backend="numpy").popt)


def test_the_backend_of_batches_goes_by_counts(monkeypatch):
    """Rented until the rent is the price; what costs as much by itself is bought at once."""
    y = draw(decay, 300)

    def backends(*sizes):
        renting._accounts.clear()
        return [fit_many(decay, T, y[:size], P0)[0].backend for size in sizes]

    assert backends(10, 300) == ["numpy", "numpy"]
    monkeypatch.setattr(renting, "PRICE", 40_000)
    assert backends(10, 10, 10, 10) == ["numpy", "numpy", "numpy", "jax"]
    monkeypatch.setattr(renting, "PRICE", 16_000)
    assert backends(10, 300) == ["numpy", "jax"]
    assert backends(300, 10) == ["jax", "numpy"]


def test_finite_differences_and_complex_data():
    y = draw(decay, 4)
    fits = fit_many(decay, T, y, P0, jac="2-point")
    for i in range(4):
        assert_same(fits, i, curve_fit(decay, T, y[i], P0, jac="2-point"))
    rotation = np.exp(1j * np.linspace(0.2, 0.5, 3))[:, None] * np.exp(-T)
    fits = fit_many(lambda t, a, b: (a + 1j * b) * np.exp(-t), T, rotation)
    np.testing.assert_allclose(fits.popt[:, 0] + 1j * fits.popt[:, 1], rotation[:, 0])


def test_what_the_data_do_not_determine():
    x = np.linspace(0, 2, 30)
    y = np.array([1.0, 2.0, 3.0])[:, None] * x + 0.01 * np.sin(40 * x)
    fits = fit_many(product, x, y, [1, 1])
    assert np.isinf(fits.pcov).all()
    assert (fits.rank == 1).all()
    for i in range(3):
        with pytest.warns(OptimizeWarning):
            single = curve_fit(product, x, y[i], [1, 1])
        np.testing.assert_allclose(fits.popt[i].prod(), single.popt.prod(), rtol=1e-9)
        assert fits[i].undetermined == single.undetermined == ("a", "b")
        assert fits[i].null_directions[0].keys() == {"a", "b"}


def parabola(t, a, b, c):
    return a + b * t + c * t**2


FAR = np.linspace(20, 21, 30)  # 1, t and t^2 are nearly parallel there
NEARLY_PARALLEL = {
    "free": {},
    "bounded": {"bounds": (-1e4, 1e4)},
    "sigma": {"sigma": 0.02 + 0.01 * (FAR - 20)},
    "soft_l1": {"loss": "soft_l1", "f_scale": 0.5},
    "gaps": {"nan_policy": "omit"},
}


@pytest.mark.parametrize(
    ("name", "backend", "size"),
    [
        *((name, "numpy", 40) for name in NEARLY_PARALLEL),
        ("gaps", "jax", 600),
    ],
)
def test_fits_that_take_more_digits_than_a_gram_matrix_has(name, backend, size):
    rng, options = np.random.default_rng(2), NEARLY_PARALLEL[name] | {"backend": backend}
    y = parabola(FAR, 3.0, 2.0, 0.5) + 0.05 * rng.standard_normal((size, FAR.size))
    if name == "gaps":
        y[::2, 7] = np.nan
    fits = fit_many(parabola, FAR, y, [1, 1, 1], **options)
    assert fits.success.all() and (fits.rank == 3).all()
    for i in range(0, size, size // 6):
        assert_same(fits, i, curve_fit(parabola, FAR, y[i], [1, 1, 1], **options), 1e-8, 1e-6)
    order = rng.permutation(size)
    np.testing.assert_array_equal(
        fit_many(parabola, FAR, y[order], [1, 1, 1], **options).popt, fits.popt[order]
    )
    few = fit_many(parabola, FAR, y[:7], [1, 1, 1], **options)
    np.testing.assert_allclose(few.popt, fits.popt[:7], rtol=1e-12)
    np.testing.assert_allclose(few.pcov, fits.pcov[:7], rtol=1e-12)


def test_more_digits_beside_a_fixed_parameter():
    t = FAR + 80
    y = parabola(t, 3.0, 2.0, 0.5) + 0.05 * np.random.default_rng(2).standard_normal((20, 30))
    fits = fit_many(parabola, t, y, [1, 1, 1], fixed={"a": 3.0})
    popt, rss, *_ = np.linalg.lstsq(np.stack([t, t**2], 1), (y - 3.0).T, rcond=None)
    np.testing.assert_allclose(fits.popt, np.insert(popt.T, 0, 3.0, axis=1), rtol=1e-8)
    J = np.linalg.qr(np.stack([t, t**2], 1), mode="r")
    pcov = np.linalg.inv(J) @ np.linalg.inv(J).T * (rss / 28)[:, None, None]
    np.testing.assert_allclose(fits.pcov[:, 1:, 1:], pcov, rtol=1e-6)
    assert (fits.pcov[:, 0] == 0).all()


def test_a_start_without_a_derivative():
    """Differences take over, as in a single fit."""

    def root(x, a, b):
        return a * x + np.sqrt(b)

    x = np.linspace(0, 1, 20)
    y = root(x, np.array([[1.0], [2.0]]), np.array([[0.5], [1.5]]))
    bounds = ([-9, 0], [9, 9])
    fits = fit_many(root, x, y, [1, 0], bounds=bounds)
    for i in range(2):
        np.testing.assert_allclose(
            fits.popt[i], curve_fit(root, x, y[i], [1, 0], bounds=bounds).popt, rtol=1e-6
        )


def test_single_precision():
    y = draw(decay, 300)
    double, single = fit_many(decay, T, y, P0), fit_many(decay, T, y, P0, dtype=np.float32)
    assert single.success.all()
    assert np.max(np.abs(single.popt - double.popt) / double.perr) < 0.01
    np.testing.assert_allclose(single.perr, double.perr, rtol=1e-2)


def test_a_budget_that_runs_out():
    fits = fit_many(decay, T, draw(decay, 20), P0, max_nfev=3)
    assert (fits.status == Status.MAX_NFEV).all()
    assert (fits.nfev == 3).all()
    assert np.isfinite(fits.popt).all()


def test_hard_fits_do_not_end_early():
    """Noise alone, and starts far off: the cost is the one single fits reach, or lower."""
    rng, x = np.random.default_rng(5), np.linspace(0.1, 10, 20)
    y = 0.05 * rng.standard_normal((60, 20)) + michaelis(x, 3.0, 1.5)
    fits = fit_many(michaelis, x, y, [500.0, 400.0])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", OptimizeWarning)
        costs = [curve_fit(michaelis, x, row, [500.0, 400.0]).cost for row in y]
    np.testing.assert_allclose(fits.cost, costs, rtol=1e-9)
