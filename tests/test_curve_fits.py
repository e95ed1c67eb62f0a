"""`CurveFits`: arrays, single fits, summary, storage, pictures."""

import importlib.util
import json

import numpy as np
import pytest

from nlsq import CurveFitResult, CurveFits, curve_fit, fit_many

T = np.linspace(0, 5, 40)
BOUNDS = ([0, 0.1, 0.15], [10, 10, 1])
_rng = np.random.default_rng(0)
_TRUE = np.array([2, 1.3, 0.2]) * (1 + 0.3 * _rng.uniform(-1, 1, (4, 5, 3)))


def decay(t, a, tau, c):
    return a * np.exp(-t / tau) + c


Y = decay(T, *np.moveaxis(_TRUE, -1, 0)[..., None]) + 0.05 * _rng.standard_normal((4, 5, 40))
Y[1, 2, 3] = np.nan


@pytest.fixture(scope="module")
def fits():
    return fit_many(decay, T, Y, [1.5, 1, 0.3], 0.05, True, bounds=BOUNDS)


def test_a_fit_is_that_of_curve_fit(fits):
    for index in ((0, 0), (3, 4), (-1, 2)):
        one = fits[index]
        single = curve_fit(decay, T, Y[index], [1.5, 1, 0.3], 0.05, True, bounds=BOUNDS)
        assert isinstance(one, CurveFitResult)
        np.testing.assert_array_equal(one.popt, fits.popt[index])
        np.testing.assert_array_equal(one.pcov, fits.pcov[index])
        for name in ("popt", "pcov", "perr", "fun", "jac", "cost", "pcov_determined", "r_squared"):
            np.testing.assert_allclose(one[name], single[name], rtol=1e-7, err_msg=name)
        np.testing.assert_allclose(one.grad, single.grad, atol=1e-6)
        for name in ("success", "param_names", "dof", "rank", "at_bound", "n_points", "fixed"):
            assert one[name] == single[name], name
        low, high = one.confidence_band(T)
        np.testing.assert_allclose([low, high], single.confidence_band(T), rtol=1e-7)
        assert "standard error" in one.summary() or "std" in one.summary()


def test_a_robust_fit_has_its_gradient():
    robust = {"loss": "soft_l1", "f_scale": 0.05}
    y = Y[0].copy()
    y[:, 5] += 1
    fits = fit_many(decay, T, y, [1.5, 1, 0.3], **robust)
    single = curve_fit(decay, T, y[1], [1.5, 1, 0.3], **robust)
    np.testing.assert_allclose(fits[1].fun, single.fun, atol=1e-8)
    np.testing.assert_allclose(fits[1].grad, single.grad, atol=1e-7)
    assert fits[1].optimality < 1e-6


def test_indices(fits):
    assert len(fits) == fits.size == 20
    np.testing.assert_array_equal(fits["tau"], fits.popt[..., 1])
    np.testing.assert_array_equal([fit.popt for fit in fits], fits.popt.reshape(-1, 3))
    np.testing.assert_allclose(fits.perr[..., 1] ** 2, fits.pcov[..., 1, 1])
    for wrong in (4, (0, 5), (-5, 0), 0, (0, 0, 0)):
        with pytest.raises(IndexError):
            fits[wrong]
    with pytest.raises(KeyError, match="they are a, tau, c"):
        fits["rate"]
    with pytest.raises(AttributeError, match="no attribute 'poptt'"):
        _ = fits.poptt


def test_summary_counts_and_lists_the_worst(fits):
    text = fits.summary()
    assert text.startswith("20 fits of decay(a, tau, c): 19 converged\n")
    assert "Residuals are not finite in the initial point." in text
    assert "on its bound" in text
    assert fits.worst(1) == [(1, 2)]
    assert "[1, 2] status -3" in text
    assert str(fits) == text
    assert repr(fits) == "CurveFits(shape=(4, 5), ('a', 'tau', 'c'), 19 converged)"
    cost = np.where(fits.success, fits.cost, -np.inf)
    assert fits.worst(2)[1] == np.unravel_index(cost.argmax(), cost.shape)
    assert not fits[1, 2].success
    assert np.isnan(fits[1, 2].popt).all()


@pytest.mark.parametrize("suffix", [".npz", ".parquet"])
def test_storage_is_exact(fits, tmp_path, suffix):
    if suffix == ".parquet" and importlib.util.find_spec("pyarrow") is None:
        pytest.skip("pyarrow is not installed")
    fits.save(tmp_path / f"fits{suffix}")
    loaded = CurveFits.load(tmp_path / f"fits{suffix}")
    assert loaded.shape == fits.shape
    for name in ("popt", "pcov", "cost", "status", "nfev", "rank", "n_points", "active_mask"):
        stored, kept = getattr(loaded, name), getattr(fits, name)
        assert stored.dtype == kept.dtype
        np.testing.assert_array_equal(stored, kept)
    assert loaded.summary() == fits.summary()
    np.testing.assert_array_equal(loaded[0, 1].popt, fits.popt[0, 1])
    assert loaded[0, 1].message == fits[0, 1].message


def test_files_of_others_are_refused(fits, tmp_path):
    with pytest.raises(ValueError, match=r"must end in \.npz or \.parquet"):
        fits.save(tmp_path / "fits.pkl")
    np.savez(tmp_path / "other.npz", a=np.ones(3))
    with pytest.raises(ValueError, match="not written by"):
        CurveFits.load(tmp_path / "other.npz")


def test_tables(fits):
    frame = fits.to_pandas()
    assert list(frame.columns[:4]) == ["a", "a_err", "tau", "tau_err"]
    np.testing.assert_array_equal(frame["tau"].loc[(3, 4)], fits["tau"][3, 4])
    assert frame["success"].sum() == 19
    json.loads(frame.to_json(orient="split"))


def test_dataset(fits):
    pytest.importorskip("xarray")
    data = fits.to_xarray()
    np.testing.assert_array_equal(data.popt.sel(param="tau"), fits["tau"])
    assert data.pcov.dims == ("axis0", "axis1", "param", "param2")


def test_pictures(fits, tmp_path):
    figure, axes = fits.plot_map("tau")
    figure.savefig(tmp_path / "tau.png")
    drawn = axes.images[0].get_array()
    assert drawn.mask.sum() == 1 == drawn.mask[1, 2]
    np.testing.assert_array_equal(drawn[0], fits["tau"][0])
    errors = fits.plot_map("tau", errors=True)[1].images[0].get_array()
    np.testing.assert_array_equal(errors[0], fits.perr[0, :, 1])
    assert fits.plot_map("status")[1].images[0].get_array()[1, 2] == -3
    with pytest.raises(ValueError, match="known are a, tau, c, cost"):
        fits.plot_map("rate")
    figure, axes = fits.plot((0, 0), xlabel="t")
    assert len(axes) == 2
    with pytest.raises(ValueError, match="two axes"):
        fit_many(decay, T, Y[0], [1.5, 1, 0.3]).plot_map("a")
