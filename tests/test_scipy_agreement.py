"""The same fits as SciPy: popt and pcov to 1e-6, or a lower cost.

SciPy runs with tight tolerances and, where it has them, complex-step derivatives, so that the
comparison is not about its own truncation.
"""

import numpy as np
import pytest
import scipy.optimize
from scipy.special import expit

import nlsq

pytestmark = pytest.mark.core


def decay(t, a, tau, c):
    return a * np.exp(-t / tau) + c


def gaussian(x, amplitude, centre, width, slope, offset):
    return amplitude * np.exp(-(((x - centre) / width) ** 2)) + slope * x + offset


def hill(dose, bottom, top, ec50, n):
    return bottom + (top - bottom) * dose**n / (ec50**n + dose**n)


def plane_wave(xy, a, kx, ky, phase):
    x, y = xy
    return a * np.sin(kx * x + ky * y + phase)


def sigmoid(x, low, high, middle, rate):
    return low + (high - low) * expit(rate * (x - middle))


def _points(m=80):
    return np.linspace(0.05, 6, m)


PROBLEMS = {
    "decay": (decay, _points(), (3.0, 1.4, 0.5), (1.0, 1.0, 1.0), 0.05),
    "gaussian": (gaussian, _points(), (4.0, 2.7, 0.6, 0.1, 1.0), (3.0, 2.4, 0.8, 0.0, 0.8), 0.08),
    "hill": (hill, _points(), (0.2, 2.0, 1.7, 2.2), (0.1, 1.5, 1.0, 1.5), 0.03),
    "plane_wave": (
        plane_wave,
        np.stack(np.meshgrid(np.linspace(0, 2, 10), np.linspace(0, 1, 8))).reshape(2, -1),
        (2.0, 1.9, 1.2, 0.3),
        (1.5, 1.7, 1.0, 0.1),
        0.1,
    ),
    "sigmoid": (sigmoid, _points(), (0.3, 2.5, 3.1, 2.0), (0.1, 2.0, 2.5, 1.0), 0.04),
}


def _data(name, outliers=False):
    f, x, true, p0, noise = PROBLEMS[name]
    rng = np.random.default_rng(len(name))
    y = f(x, *true)
    errors = noise * rng.uniform(0.5, 2.0, y.size)
    y = y + errors * rng.standard_normal(y.size)
    if outliers:
        y[::17] += 10 * noise
    return f, x, y, errors, np.array(p0)


def _bounds(name):
    """Bounds through the first of which the fit wants to leave."""
    true = np.array(PROBLEMS[name][2])
    low, high = true - 2 * np.abs(true) - 1, true + 2 * np.abs(true) + 1
    high[0] = true[0] - 0.1 * abs(true[0])
    if name in ("decay", "hill", "gaussian"):
        low = np.maximum(low, 0.01)
    return low, high


@pytest.mark.parametrize("name", PROBLEMS)
@pytest.mark.parametrize("kind", ["plain", "active bound"])
def test_same_fit(kind, name):
    """Models and data of several kinds; the features of a fit are crossed in `tests.table`."""
    f, x, y, _, p0 = _data(name)
    options, tight = {}, {"ftol": 1e-15, "xtol": 1e-15, "gtol": 1e-15}
    if kind == "active bound":
        low, high = options["bounds"] = _bounds(name)
        p0 = np.clip(p0, low + 1e-3, high - 1e-3)
        tight |= {"jac": "3-point", "x_scale": "jac", "max_nfev": 2000}
    theirs, their_pcov = scipy.optimize.curve_fit(f, x, y, p0, **options, **tight)
    ours = nlsq.curve_fit(f, x, y, p0, **options)

    scale = np.maximum(np.abs(theirs), 1e-3)
    if np.max(np.abs(ours.popt - theirs) / scale) > 1e-6:
        assert ours.cost < 0.5 * np.sum((f(x, *theirs) - y) ** 2) * (1 - 1e-12)
    else:
        spread = np.sqrt(np.outer(np.diag(their_pcov), np.diag(their_pcov)))
        assert np.max(np.abs(ours.pcov - their_pcov) / spread) < 1e-6


@pytest.mark.parametrize("method", ["trf", "dogbox", "lm"])
@pytest.mark.parametrize(
    ("fun", "x0"),
    [
        (lambda x: np.array([10 * (x[1] - x[0] ** 2), 1 - x[0]]), [-1.2, 1.0]),
        (lambda x: np.array([x[0] - 1, x[1] + 2, x[0] * x[1] + 1.5]), [0.5, 0.5]),
    ],
    ids=["rosenbrock", "three residuals"],
)
def test_least_squares_has_scipys_fields(fun, x0, method):
    theirs = scipy.optimize.least_squares(
        fun, x0, method=method, xtol=1e-14, ftol=1e-14, gtol=1e-14
    )
    ours = nlsq.least_squares(fun, x0, method=method)
    assert ours.success and ours.status > 0
    np.testing.assert_allclose(ours.x, theirs.x, rtol=1e-7, atol=1e-9)
    np.testing.assert_allclose(ours.fun, theirs.fun, atol=1e-7)
    np.testing.assert_allclose(ours.jac, theirs.jac, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(ours.cost, theirs.cost, rtol=1e-9, atol=1e-14)
    np.testing.assert_allclose(ours.grad, ours.jac.T @ ours.fun, atol=1e-8)
    assert np.array_equal(ours.active_mask, theirs.active_mask)
    assert set(theirs) <= set(ours)


def test_least_squares_with_bounds_args_and_loss():
    t = np.linspace(0, 3, 30)
    y = 2 * np.exp(-1.1 * t)
    y[4] += 1

    def fun(p, t, y, offset=0.0):
        return p[0] * np.exp(-p[1] * t) + offset - y

    keywords = {"bounds": ([0, 0], [1.9, 3]), "loss": "soft_l1", "f_scale": 0.1,
                "args": (t, y), "kwargs": {"offset": 0.01}}  # fmt: skip
    theirs = scipy.optimize.least_squares(
        fun, [1, 1], xtol=1e-15, ftol=1e-15, gtol=1e-15, jac="3-point", **keywords
    )
    ours = nlsq.least_squares(fun, [1, 1], **keywords)
    np.testing.assert_allclose(ours.x, theirs.x, rtol=1e-7)
    assert ours.active_mask.tolist() == [1, 0]
    assert ours.x[0] == 1.9


def test_full_output_is_scipys_five_tuple():
    f, x, y, _, p0 = _data("decay")
    theirs = scipy.optimize.curve_fit(f, x, y, p0, full_output=True)
    ours = nlsq.curve_fit(f, x, y, p0, full_output=True)
    assert isinstance(ours, tuple) and len(ours) == 5
    assert theirs[2].keys() == ours[2].keys()
    np.testing.assert_allclose(ours[2]["fvec"], theirs[2]["fvec"], atol=1e-6)
    for key, value in theirs[2].items():
        assert np.shape(value) == np.shape(ours[2][key]), key
    assert isinstance(ours[3], str) and ours[4] in (1, 2, 3, 4)
    # fjac holds R as MINPACK lays it out: R^T R = J^T J
    R = np.triu(ours[2]["fjac"].T[:3])
    assert np.allclose(np.linalg.inv(R.T @ R) * np.sum(ours[2]["fvec"] ** 2) / 77, ours[1])


def test_scipy_bounds_object_pairs_and_fixed_parameters():
    f, x, y, _, p0 = _data("decay")
    low, high = [0, 0, 0], [10, 1.2, 5]
    by_tuple = nlsq.curve_fit(f, x, y, p0, bounds=(low, high))
    by_object = nlsq.curve_fit(f, x, y, p0, bounds=scipy.optimize.Bounds(low, high))
    by_pairs = nlsq.curve_fit(f, x, y, p0, bounds=list(zip(low, high, strict=True)))
    assert np.array_equal(by_tuple.popt, by_object.popt)
    assert np.array_equal(by_tuple.popt, by_pairs.popt)
    assert by_tuple.at_bound == ("tau",) and by_tuple.popt[1] == 1.2

    fixed = nlsq.curve_fit(f, x, y, [1, 1.4, 1], bounds=([0, 1.4, 0], [10, 1.4, 5]))
    theirs, pcov = scipy.optimize.curve_fit(lambda t, a, c: f(t, a, 1.4, c), x, y)
    np.testing.assert_allclose(fixed.popt[[0, 2]], theirs, rtol=1e-7)
    np.testing.assert_allclose(fixed.pcov[np.ix_([0, 2], [0, 2])], pcov, rtol=1e-6)
    assert fixed.popt[1] == 1.4 and fixed.fixed == ("tau",) and not fixed.pcov[1].any()


def test_nan_policy_omits_what_scipy_omits():
    f, x, y, errors, p0 = _data("plane_wave")
    y[3], x = np.nan, x.copy()
    x[1, 7] = np.nan
    keywords = {"check_finite": False, "nan_policy": "omit", "sigma": errors}
    theirs = scipy.optimize.curve_fit(f, x, y, p0, ftol=1e-14, xtol=1e-14, **keywords)
    ours = nlsq.curve_fit(f, x, y, p0, **keywords)
    np.testing.assert_allclose(ours.popt, theirs[0], rtol=1e-6)
    np.testing.assert_allclose(ours.pcov, theirs[1], rtol=1e-5)
    assert ours.n_points == 78


def test_complex_data_are_real_pairs():
    w = np.linspace(0.1, 10, 60)

    def impedance(w, r, tau, z0):
        return z0 + r / (1 + 1j * w * tau)

    rng = np.random.default_rng(5)
    z = impedance(w, 3.0, 0.7, 1.0) + 0.02 * (rng.normal(size=60) + 1j * rng.normal(size=60))
    both = np.concatenate([z.real, z.imag])

    def pairs(_, *p):
        v = impedance(w, *p)
        return np.concatenate([v.real, v.imag])

    sigma = rng.uniform(0.01, 0.03, 60)
    theirs = scipy.optimize.curve_fit(
        pairs, w, both, [1, 1, 1], sigma=np.tile(sigma, 2), ftol=1e-14, xtol=1e-14
    )
    ours = nlsq.curve_fit(impedance, w, z, [1, 1, 1], sigma=sigma)
    np.testing.assert_allclose(ours.popt, theirs[0], rtol=1e-7)
    np.testing.assert_allclose(ours.pcov, theirs[1], rtol=1e-5)
    assert ours.n_points == 120
    with pytest.raises(TypeError, match="complex values"):
        nlsq.curve_fit(impedance, w, z.real, [1, 1, 1])


def test_two_dimensional_data_are_raveled():
    x, y = np.meshgrid(np.linspace(-1, 1, 12), np.linspace(-1, 1, 9))

    def spot(xy, a, x0, y0, w):
        return (a * np.exp(-((xy[0] - x0) ** 2 + (xy[1] - y0) ** 2) / w)).ravel()

    image = spot((x, y), 2.0, 0.2, -0.1, 0.5)
    image += 0.01 * np.sin(np.arange(image.size))
    theirs = scipy.optimize.curve_fit(spot, (x, y), image, ftol=1e-14, xtol=1e-14)
    flat = nlsq.curve_fit(spot, (x, y), image)
    square = nlsq.curve_fit(spot, (x, y), image.reshape(x.shape))
    np.testing.assert_allclose(flat.popt, theirs[0], rtol=1e-7)
    assert np.array_equal(flat.popt, square.popt)


@pytest.mark.parametrize("jac", ["2-point", "3-point", "cs", "callable"])
def test_user_derivatives(jac):
    f, x, y, errors, p0 = _data("decay")
    exact = nlsq.curve_fit(f, x, y, p0, sigma=errors)
    if jac == "callable":

        def jac(t, a, tau, c):
            e = np.exp(-t / tau)
            return np.stack([e, a * t / tau**2 * e, np.ones_like(t)], axis=1)

    ours = nlsq.curve_fit(f, x, y, p0, sigma=errors, jac=jac)
    assert ours.model_info.road == "host"
    np.testing.assert_allclose(ours.popt, exact.popt, rtol=3e-7)
    np.testing.assert_allclose(ours.pcov, exact.pcov, rtol=1e-5)


def test_a_users_loss_gets_its_derivatives():
    f, x, y, _, p0 = _data("decay", outliers=True)
    named = nlsq.curve_fit(f, x, y, p0, loss="soft_l1", f_scale=0.05)

    def soft(z):
        return 2 * ((1 + z) ** 0.5 - 1)

    def scipy_form(z):
        t = 1 + z
        return np.stack([2 * (t**0.5 - 1), t**-0.5, -0.5 * t**-1.5])

    mine = nlsq.curve_fit(f, x, y, p0, loss=soft, f_scale=0.05)
    np.testing.assert_allclose(mine.popt, named.popt, rtol=1e-9)
    np.testing.assert_allclose(mine.pcov, named.pcov, rtol=1e-8)
    on_host = nlsq.curve_fit(f, x, y, p0, loss=scipy_form, f_scale=0.05, jac="cs")
    np.testing.assert_allclose(on_host.popt, named.popt, rtol=1e-9)


@pytest.mark.parametrize("loss", ["huber", "cauchy", "arctan"])
@pytest.mark.parametrize("method", ["trf", "dogbox", "many"])
def test_robust_fits_from_where_every_point_is_an_outlier(loss, method):
    """There J, with the loss folded in, all but vanishes; nearer it grows by a factor of 1e8."""
    x = np.linspace(0, 4, 25)
    rng = np.random.default_rng(1)
    options = {"loss": loss, "f_scale": 0.1}

    def decay(x, a, b, c):
        return a * np.exp(-b * x) + c

    for _ in range(8):
        y = decay(x, 2.4, 1.3, 0.5) + 0.01 * rng.standard_normal(25)
        p0 = np.array([1, 1, 0.3]) * rng.uniform(0.8, 1.25, 3)
        if method == "many":
            cost = nlsq.fit_many(decay, x, y[None], p0=p0, **options).cost[0]
        else:
            cost = nlsq.curve_fit(decay, x, y, p0, method=method, **options).cost
        best = scipy.optimize.least_squares(lambda p, y=y: decay(x, *p) - y, p0, **options)
        assert cost <= best.cost * (1 + 1e-6)
