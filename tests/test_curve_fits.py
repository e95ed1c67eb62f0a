"""`CurveFits`: arrays, single fits, summary, storage, pictures."""

import importlib.util
import json
import pickle

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


def line(t, a, b):
    return a * t + b


_NOISE = np.random.default_rng(1).standard_normal((3, 40))
_LINES = np.array([[1.0], [2], [-3]]) * T + 5 + 0.2 * _NOISE
_HOLES = np.where(_NOISE > 1.5, np.nan, _LINES)
KINDS = {
    "plain": (line, T, _LINES, {}),
    "sigma": (line, T, _LINES, {"sigma": 0.1 + T / 20}),
    "sigma of each": (line, T, _LINES, {"sigma": 0.1 + _NOISE**2, "absolute_sigma": True}),
    "one fixed": (line, T, _LINES, {"fixed": {"b": 5.0}}),
    "fixed by bounds": (line, T, _LINES, {"bounds": ([-9, 5], [9, 5]), "p0": [1, 5]}),
    "at a bound": (line, T, _LINES, {"bounds": ([-9, 5.3], [9, 9])}),
    "a loss": (line, T, _LINES + 9 * (T > 4.9), {"loss": "cauchy"}),
    "omitted": (line, T, _HOLES, {"nan_policy": "omit"}),
    "left out": (line, T, _HOLES, {}),
    "ragged": (line, [T[:9], T, T[5:]], [_LINES[0, :9], _LINES[1], _LINES[2, 5:]], {}),
    "complex": (lambda t, a, b: a * t + 1j * b, T, _LINES + 2j + 1j * _NOISE, {}),
    "one datum": (line, [T[:1]], [[3.0]], {"fixed": ["b"], "p0": [1, 0]}),
    "constant": (line, T, np.full((2, 40), 3.0), {}),
    "starts": (line, T, _LINES[0], {"p0": [[1, 1], [2, 2]]}),
    "undetermined": (lambda t, a, b: (a + b) * t, T, _LINES, {"p0": [1, 1]}),
}


@pytest.mark.parametrize("kind", KINDS)
def test_arrays_over_the_fits_are_what_each_fit_says(kind):
    model, x, y, options = KINDS[kind]
    fits = fit_many(model, x, y, **options)
    for i, one in enumerate(fits):
        fitted = np.isfinite(fits.cost[i])
        for name in ("dof", "chi_squared", "reduced_chi_squared", "r_squared") if fitted else ():
            found, expected = getattr(fits, name)[i], getattr(one, name)
            np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9, err_msg=name)
        limits = fits.confidence_intervals(0.9)[i]
        np.testing.assert_allclose(limits, one.confidence_intervals(0.9), rtol=1e-9)
        for name, p in fits.params.items():
            np.testing.assert_array_equal(p.interval(0.9)[i], limits[fits.param_names.index(name)])
            own = one.params[name]
            assert (p.value[i], p.stderr[i]) == (own.value, own.stderr) or not fitted
            assert (p.fixed[i], p.undetermined[i]) == (own.fixed, own.undetermined) or not fitted
            assert p.at_bound[i] == own.at_bound
    if kind == "left out":
        assert np.isnan(fits.r_squared).any() and np.isnan(fits.confidence_intervals()).any()
    again = pickle.loads(pickle.dumps(fits))
    np.testing.assert_array_equal(again.r_squared, fits.r_squared)
    stored = again[0]
    assert stored.dof == fits[0].dof and stored.fixed == fits[0].fixed
    np.testing.assert_array_equal(stored.confidence_intervals(), fits[0].confidence_intervals())


def test_parameters_of_many_fits(fits):
    tau = fits.params["tau"]
    np.testing.assert_array_equal(np.asarray(tau), fits["tau"])
    assert tau.interval().shape == (4, 5, 2) and list(fits.params) == ["a", "tau", "c"]
    assert tau.at_bound.shape == tau.fixed.shape == tau.undetermined.shape == (4, 5)
    assert str(fits.params).splitlines()[0].split() == ["converged", "median", "5", "%", "95", "%",
                                                        "std", "error"]  # fmt: skip
    for table in (fits.params, fits):
        assert "tau" in table._repr_html_() and "<table>" in table._repr_html_()
    with pytest.raises(KeyError, match=r"'tua' is no parameter.*did you mean 'tau'"):
        _ = fits.params["tua"]
    with pytest.raises(ValueError, match=r"say level=0\.95"):
        fits.confidence_intervals(alpha=0.05)
    shown = dir(fits)
    assert {"params", "r_squared", "popt", "cost", "summary"} <= set(shown)
    assert not [name for name in shown if name.startswith("_")]


def test_sums_over_the_data_are_stored_once_they_were_asked_for(tmp_path):
    fits = fit_many(line, T, _LINES, loss="soft_l1", out=tmp_path / "fits")
    for name in ("r_squared", "chi_squared"):
        with pytest.raises(AttributeError, match=f"Read fits.{name} before saving"):
            getattr(CurveFits.load(tmp_path / "fits"), name)
    found = fits.r_squared
    fits.describe(tmp_path / "fits")
    np.testing.assert_array_equal(CurveFits.load(tmp_path / "fits").r_squared, found)
    fits.save(tmp_path / "fits.npz")
    again = CurveFits.load(tmp_path / "fits.npz")
    np.testing.assert_array_equal(again.reduced_chi_squared, fits.reduced_chi_squared)


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
    fits.save(tmp_path / "fits.npz")
    with np.load(tmp_path / "fits.npz") as file:
        arrays = dict(file)
    facts = json.loads(str(arrays.pop("facts")))
    for wrong in (
        {"shape": [10**9]}, {"shape": ["a"]}, {"shape": [-1]}, {"param_names": 5}, {"messages": 5},
        {"param_names": ["a"]}, {"param_names": ["a", "a"]}, {"wall_time": "1"}, {"model_name": []},
    ):  # fmt: skip
        np.savez(tmp_path / "forged.npz", facts=json.dumps(facts | wrong), **arrays)
        with pytest.raises(ValueError, match=r"forged\.npz is damaged, or was not written by"):
            CurveFits.load(tmp_path / "forged.npz")
    forged = json.dumps(facts | {"arrays": ["../elsewhere"]})
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "fits.json").write_text(forged)
    with pytest.raises(ValueError, match="folder is damaged"):
        CurveFits.load(tmp_path / "folder")


def test_tables(fits):
    frame = fits.to_pandas()
    assert list(frame.columns[:4]) == ["a", "a_err", "tau", "tau_err"]
    np.testing.assert_array_equal(frame["tau"].loc[(3, 4)], fits["tau"][3, 4])
    assert frame["success"].sum() == 19
    priced = fit_many(lambda t, cost, a: cost + a * t, T, _LINES).to_pandas()
    assert list(priced.columns)[:5] == ["cost", "cost_err", "a", "a_err", "fit_cost"]
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
