"""`fit_many` at its edges: gaps, lists, too few points, keywords, what a stop leaves behind."""

import numpy as np
import pytest
import scipy.optimize

from nlsq import CurveFits, FitError, OptimizeWarning, curve_fit, fit_many
from nlsq.core.loop.status import Status

pytestmark = pytest.mark.usefixtures("unpaid", "quickly")

T = np.linspace(0, 5, 50)
P0 = [1.5, 1.0, 0.3]


def decay(t, a, tau, c):
    return a * np.exp(-t / tau) + c


def exponential(t, a, b):
    return a * np.exp(-b * t)


def cumulative(x, a, b):
    return np.cumsum(a * np.exp(-x / b)) / 10


def normalised(x, a, b):
    peak = np.exp(-x / b)
    return a * peak / peak.max()


def quadratic(x, a, b):
    return a * x[0] + b * x[1] ** 2


def phasor(t, a, b):
    return (a + 1j * b) * np.exp(-t)


def draw(fits, t=T, seed=0):
    rng = np.random.default_rng(seed)
    true = np.array([2, 1.3, 0.2]) * (1 + 0.3 * rng.uniform(-1, 1, (fits, 3)))
    return decay(t, *true.T[..., None]) + 0.05 * rng.standard_normal((fits, t.size))


def assert_same(fits, i, single):
    np.testing.assert_allclose(fits.popt[i], single.popt, rtol=1e-8)
    np.testing.assert_allclose(fits.pcov[i], single.pcov, rtol=1e-6)
    assert fits.n_points[i] == single.n_points


# ------------------------------------------------------------------------------------------ SciPy

FIXED = 0.2


def test_a_fixed_parameter_is_scipys_constant():
    y = draw(10)
    fits = fit_many(decay, T, y, P0, fixed={"c": FIXED})
    for i in range(10):
        popt, pcov = scipy.optimize.curve_fit(
            lambda t, a, tau: decay(t, a, tau, FIXED), T, y[i], P0[:2], ftol=1e-15, xtol=1e-15
        )
        np.testing.assert_allclose(fits.popt[i, :2], popt, rtol=1e-7)
        np.testing.assert_allclose(fits.pcov[i, :2, :2], pcov, rtol=1e-5)


def test_bad_neighbours_change_no_bit():
    y = draw(300)
    alone = fit_many(decay, T, y, P0)
    bad = y.copy()
    bad[::5, 3], bad[1::5], bad[2::5] = np.nan, np.inf, 1.0
    among = fit_many(decay, T, bad, P0)
    kept = np.arange(300) % 5 > 2
    for name in ("popt", "pcov", "cost", "status", "nfev"):
        np.testing.assert_array_equal(getattr(among, name)[kept], getattr(alone, name)[kept], name)


# ------------------------------------------------------------------------------------------- gaps


@pytest.mark.parametrize("own_x", [False, True], ids=["shared x", "own x"])
@pytest.mark.parametrize("f", [cumulative, normalised])
def test_left_out_points_are_deleted_for_a_model_that_couples_points(f, own_x):
    x, rng = np.linspace(0, 3, 25), np.random.default_rng(0)
    y = f(x, 2.0, 1.0) + 0.01 * rng.standard_normal((3, 25))
    y[0, 0], y[1, [5, 6]] = np.nan, np.nan
    fits = fit_many(f, np.tile(x, (3, 1)) if own_x else x, y, [1, 0.7], nan_policy="omit")
    for i in range(3):
        here = ~np.isnan(y[i])
        assert_same(fits, i, curve_fit(f, x[here], y[i][here], [1, 0.7]))


def test_a_gap_in_x_is_left_out():
    y, holed = draw(3), np.where(np.arange(50) == 4, np.nan, T)
    fits = fit_many(decay, holed, y, P0, nan_policy="omit")
    here = ~np.isnan(holed)
    assert_same(fits, 0, curve_fit(decay, T[here], y[0][here], P0))
    fits = fit_many(decay, np.stack([T, holed, T]), y, P0, nan_policy="omit")
    assert_same(fits, 0, curve_fit(decay, T, y[0], P0))
    assert_same(fits, 1, curve_fit(decay, T[here], y[1][here], P0))


# ------------------------------------------------------------------------------------------ lists


@pytest.fixture(scope="module")
def lists():
    """(x, y, sigma) of three lengths, two coordinates."""
    rng = np.random.default_rng(0)
    x = [rng.normal(size=(2, m)) for m in (9, 30, 12)]
    y = [quadratic(v, 2.0, -1.0) + 0.1 * rng.normal(size=v.shape[1]) for v in x]
    return x, y, [rng.uniform(0.1, 0.2, len(v)) for v in y]


def test_a_list_of_coordinates(lists):
    x, y, _ = lists
    fits = fit_many(quadratic, x, y)
    for i in range(3):
        assert_same(fits, i, curve_fit(quadratic, x[i], y[i]))


def test_a_list_of_sigma(lists):
    x, y, sigma = lists
    fits = fit_many(quadratic, x, y, sigma=sigma, absolute_sigma=True)
    for i in range(3):
        assert_same(fits, i, curve_fit(quadratic, x[i], y[i], None, sigma[i], True))


def test_a_fit_of_an_empty_data_set_can_be_read():
    fit = fit_many(decay, [T, T[:0]], [draw(1)[0], T[:0]], P0)[1]
    assert fit.status == int(Status.TOO_FEW_POINTS)
    assert fit.ydata.size == fit.n_points == 0 and "fewer points" in str(fit)


def test_a_list_with_an_empty_data_set():
    t = [np.linspace(0, 3, m) for m in (0, 12, 20)]
    fits = fit_many(exponential, t, [exponential(v, 2.0, 1.0) for v in t])
    assert fits.status[0] == Status.TOO_FEW_POINTS
    assert fits.n_points.tolist() == [0, 12, 20]
    np.testing.assert_allclose(fits.popt[1:], [[2, 1]] * 2)


def test_masked_points_are_left_out():
    y = draw(4)
    masked = np.ma.masked_array(y, np.zeros(y.shape, bool))
    masked[1, 3:9] = np.ma.masked
    masked.data[1, 4] = np.nan  # nobody's business
    keep = ~masked.mask[1]
    expected = curve_fit(decay, T[keep], y[1][keep], P0)
    for policy in (None, "omit"):
        fits = fit_many(decay, T, masked, P0, nan_policy=policy)
        assert_same(fits, 1, expected)
        assert fits.n_points.tolist() == [50, keep.sum(), 50, 50]
        rows = [masked[0][:30], masked[1]]
        fits = fit_many(decay, [T[:30], T], rows, P0, nan_policy=policy)
        assert fits.n_points.tolist() == [30, keep.sum()]


def test_a_list_of_complex_data():
    t = [np.linspace(0, 3, m) for m in (9, 12)]
    fits = fit_many(phasor, t, [phasor(v, 1.0, 2.0) for v in t])
    np.testing.assert_allclose(fits.popt, [[1, 2]] * 2)


# ------------------------------------------------------------------------------------ far starts

# Levenberg-Marquardt by another rule ends elsewhere from the first of each.
FAR_STARTS = {
    "free": ([[1.779, 3.31, 11.42], [0.02, 0.1, -3.0], [40.0, 9.0, 0.3]], (-np.inf, np.inf)),
    "bounded": ([[3.237, 8.9, 8.213], [0.0, 0.05, 8.9], [8.9, 8.9, 0.001]], (0, 9)),
}


@pytest.mark.parametrize("name", FAR_STARTS)
def test_far_starts_end_where_single_fits_end(name):
    starts, bounds = FAR_STARTS[name]
    y = draw(1)[0]
    fits = fit_many(decay, T, y, starts, bounds=bounds)
    for fit, p0 in zip(fits, starts, strict=True):
        try:
            single = curve_fit(decay, T, y, p0, bounds=bounds)
        except FitError as error:
            single = error.result
        np.testing.assert_allclose(fit.cost, single.cost, rtol=1e-9)
        np.testing.assert_allclose(fit.popt, single.popt, rtol=1e-8)
        np.testing.assert_allclose(fit.pcov, single.pcov, rtol=1e-6)
        for field in ("success", "rank", "dof", "undetermined", "at_bound", "fixed", "n_points"):
            assert getattr(fit, field) == getattr(single, field), field


# -------------------------------------------------------------------------------- too few points

FEW, BOX = draw(3, T[:2]), (0, 9)


@pytest.mark.parametrize("form", ["array", "list", "gaps"])
def test_bounded_fits_may_have_few_points_in_any_form(form):
    """As `curve_fit`, which with bounds fits 3 parameters to 2 points, and says pcov is inf."""
    t, y, p0 = T, draw(3), P0
    y[0, 2:] = np.nan
    if form == "array":
        fits = fit_many(decay, T[:2], y[:, :2], p0, bounds=BOX)
    elif form == "list":
        fits = fit_many(decay, [t[:2], t, t], [y[0, :2], *y[1:]], p0, bounds=BOX)
    else:
        fits = fit_many(decay, t, y, p0, bounds=BOX, nan_policy="omit")
    with pytest.warns(OptimizeWarning):
        single = curve_fit(decay, T[:2], y[0, :2], p0, bounds=BOX)
    assert fits.success[0] == single.success
    assert np.isinf(fits.pcov[0]).all() == np.isinf(single.pcov).all()


def test_too_few_points_do_not_depend_on_the_neighbours():
    low, high = np.full((3, 3), -np.inf), np.full((3, 3), np.inf)
    alone = fit_many(decay, T[:2], FEW, P0, bounds=(low, high))
    assert (alone.status == Status.TOO_FEW_POINTS).all()
    low[2], high[2] = -9, 9
    among = fit_many(decay, T[:2], FEW, P0, bounds=(low, high))
    np.testing.assert_array_equal(among.status[:2], alone.status[:2])


@pytest.mark.parametrize("size", [1e-12, 1e-22])
def test_single_precision_finds_small_data(size):
    y, p0 = size * draw(20), np.multiply(P0, [size, 1, size])
    fits = fit_many(decay, T, y, p0, dtype=np.float32)
    wrong = np.abs(fits.popt / fit_many(decay, T, y, p0).popt - 1).max(axis=1) > 0.01
    assert not (fits.success & wrong).any()


# ------------------------------------------------------------------------------- words, leftovers


def test_one_parameter_takes_a_number_as_start():
    y = np.exp(-T * np.array([[0.5], [1.0]]))
    fits = fit_many(lambda t, k: np.exp(-k * t), T, y, 1.0)
    np.testing.assert_allclose(fits["k"], [0.5, 1.0])


@pytest.mark.parametrize(
    ("typo", "meant"), [("fixd", "fixed"), ("progess", "progress"), ("x_perfit", "x_per_fit")]
)
def test_a_typo_in_a_keyword_of_its_own_is_named(typo, meant):
    with pytest.raises(TypeError, match=f"[Dd]id you mean '{meant}'"):
        fit_many(decay, T, draw(2), P0, **{typo: None})


@pytest.mark.parametrize("name", ["method", "check_finite", "args"])
def test_keywords_of_curve_fit_are_not_suggested_for_themselves(name):
    with pytest.raises(TypeError, match=name) as caught:
        fit_many(decay, T, draw(2), P0, **{name: None})
    assert f"mean '{name}'" not in str(caught.value)


def test_what_a_stop_leaves_is_what_its_message_says():
    fits = fit_many(decay, T, draw(30_000), P0, time_limit=1e-9)
    left = fits.status == Status.NOT_REACHED
    assert left.any()
    assert np.isnan(fits.popt[left]).all()
    assert "Not fitted" in fits[int(left.argmax())].message


def test_fits_that_wait_are_finished_though_the_last_rows_are_all_bad():
    y = draw(20_000)
    y[9_000:] = np.nan
    fits = fit_many(decay, T, y, P0)
    assert fits.success[:9_000].all()
    assert (fits.status[9_000:] == Status.NOT_FINITE).all()
    assert np.isnan(fits.popt[9_000:]).all()
    assert np.isnan(fits.pcov[9_000:]).all()


def test_messages_are_of_the_codes_that_occur():
    fits = fit_many(decay, T, draw(3), P0)
    assert set(fits.messages) == set(fits.status.tolist())


def test_an_array_file_is_no_stored_result(tmp_path):
    np.save(tmp_path / "y.npy", T)
    with pytest.raises(ValueError, match="not written by"):
        CurveFits.load(tmp_path / "y.npy")


def test_hdf5_of_two_axes_with_sigma_and_integers(tmp_path):
    h5py = pytest.importorskip("h5py")
    y = draw(6).reshape(2, 3, 50)
    sigma, counts = np.full(y.shape, 0.1), (1000 * y).astype("i2")
    with h5py.File(tmp_path / "y.h5", "w") as file:
        data = {"y": y, "sigma": sigma, "counts": counts}
        y_file, sigma_file, counts_file = (file.create_dataset(k, data=v) for k, v in data.items())
        weighted = fit_many(decay, T, y_file, P0, sigma_file)
        integers = fit_many(decay, T, counts_file, [1500, 1, 300])
    np.testing.assert_array_equal(weighted.popt, fit_many(decay, T, y, P0, sigma).popt)
    expected = fit_many(decay, T, counts.astype(float), [1500, 1, 300])
    np.testing.assert_array_equal(integers.popt, expected.popt)


def test_a_loss_of_the_users_own():
    import jax.numpy as jnp

    table = jnp.array([2.0, 1.0])

    def soft(z):
        return table[0] * (jnp.sqrt(table[1] + z) - 1)

    y = draw(5)
    y[:, 7] += 1
    own = fit_many(decay, T, y, P0, loss=soft, f_scale=0.1)
    known = fit_many(decay, T, y, P0, loss="soft_l1", f_scale=0.1)
    np.testing.assert_allclose(own.popt, known.popt, rtol=1e-7)
