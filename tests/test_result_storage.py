"""Results through JSON, pickle and copies: every bit comes back, functions are accounted for."""

import copy
import dataclasses
import functools
import json
import math
import pickle
import struct
import sys
import types

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from nlsq import compare, curve_fit, fit_many, models
from nlsq.models import catalogue, recipes
from nlsq.result import CurveFitResult, CurveFits, OptimizeResult
from nlsq.utils.input_error import InputError
from tests.result_fits import DECAY, LINE, Model, fitted, line, line_jac, noisy_line, result_at

NANS = st.integers(1, 2**51 - 1).flatmap(lambda i: st.sampled_from([i, i + 2**63]))
ANY_BITS = (st.integers(0, 2**64 - 1) | NANS.map(lambda i: i | 0x7FF8 << 48)).map(
    lambda i: struct.unpack("<d", struct.pack("<Q", i))[0]
)
FLOATS = ANY_BITS | st.floats() | st.sampled_from([-0.0, 5e-324, math.nan, math.inf])
DTYPES = (
    hnp.floating_dtypes(endianness="<")
    | hnp.complex_number_dtypes(endianness="<")
    | hnp.integer_dtypes(endianness="<")
    | hnp.unsigned_integer_dtypes(endianness="<")
    | hnp.boolean_dtypes()
    | hnp.unicode_string_dtypes(endianness="<", max_len=4)
    | hnp.byte_string_dtypes(max_len=4)
    | hnp.datetime64_dtypes(endianness="<")
)
SHAPES = hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4)
ARRAYS = hnp.arrays(np.float64, SHAPES, elements=FLOATS) | hnp.arrays(DTYPES, SHAPES)
SCALARS = (
    st.none() | st.booleans() | st.integers() | FLOATS | st.text(max_size=5)
    | st.complex_numbers() | st.builds(complex, FLOATS, FLOATS)
)  # fmt: skip
VALUES = st.recursive(
    SCALARS | ARRAYS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(
            st.text(max_size=3) | st.just("$array") | st.integers(), inner, max_size=3
        )
    ),
    max_leaves=8,
)


def bits(value):
    """A value as something that compares exactly: types, shapes and bytes."""
    if isinstance(value, np.ndarray):
        return value.dtype, value.shape, value.tobytes()
    if isinstance(value, float):
        return struct.pack("<d", value)
    if isinstance(value, complex):
        return struct.pack("<dd", value.real, value.imag)
    if isinstance(value, (list, tuple)):
        return type(value), [bits(v) for v in value]
    if isinstance(value, dict):
        return [(bits(k), bits(v)) for k, v in value.items()]
    return type(value), value


@given(VALUES)
def test_json_gives_every_bit_back(value):
    text = OptimizeResult(value=value).to_json()
    json.loads(text, parse_constant=pytest.fail)  # strict JSON: no NaN, no Infinity
    assert bits(OptimizeResult.from_json(text).value) == bits(value)


def test_json_is_readable():
    data = OptimizeResult(
        x=np.array([1.5, np.nan, -np.inf]), pcov=np.eye(2), nfev=np.int64(3)
    ).to_dict()
    assert data["x"] == [1.5, "nan", "-inf"] and data["pcov"] == [[1.0, 0.0], [0.0, 1.0]]
    assert data["nfev"] == 3 and data["nlsq_result"] == "OptimizeResult"


@pytest.mark.parametrize("value", [np.array([1, None, "a"], dtype=object), np.longdouble(1) / 3])
def test_unusual_arrays(value):
    back = OptimizeResult.from_json(OptimizeResult(v=value).to_json()).v
    assert back.dtype == value.dtype and (back == value).all()


def test_tables_come_back_as_tables():
    frame = pd.DataFrame({"t": [1.0, 2.0], "n": [3, 4]}, index=["p", "q"])
    back = OptimizeResult.from_json(OptimizeResult(xdata=frame, s=frame["n"]).to_json())
    pd.testing.assert_frame_equal(back.xdata, frame)
    pd.testing.assert_series_equal(back.s, frame["n"])


def test_what_json_cannot_hold_is_named():
    with pytest.raises(TypeError, match="field 'helper': a value of type object"):
        OptimizeResult(helper=object()).to_dict()
    with pytest.raises(TypeError, match="a field named 'format'"):
        OptimizeResult(format=1).to_dict()


def test_foreign_json_is_refused(tmp_path):
    with pytest.raises(ValueError, match="not a stored result"):
        OptimizeResult.from_dict({"x": 1})
    for forged in ({"$record": 1}, {"$health": {}}, {"$tuple": None}, {"$minima": 3}):
        with pytest.raises(ValueError, match="damaged"):
            CurveFitResult.from_dict({"nlsq_result": "CurveFitResult", "format": 1, "x": forged})
    stored = OptimizeResult(x=1).to_dict()
    with pytest.raises(ValueError, match=r"use OptimizeResult\.from_dict"):
        CurveFitResult.from_dict(stored)
    with pytest.raises(ValueError, match="newer"):
        OptimizeResult.from_dict(stored | {"format": 99})
    with pytest.raises(FileNotFoundError):
        OptimizeResult.from_json(tmp_path / "none.json")


# -- whole fits --------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Info:
    road: str = "jax"
    pointwise: bool = True

    def describe(self):
        return "the model runs in JAX with exact derivatives"


def full_fit(model=LINE):
    x, y = noisy_line()
    return fitted(model, x, y, sigma=np.linspace(0.5, 1, 25), model_info=Info())


def same_numbers(a, b):
    assert list(a.keys()) == list(b.keys())
    for name in set(a.keys()) - {"model", "model_info", "loss"}:
        assert bits(a[name]) == bits(b[name]), name
    for name in ("r_squared", "rmse", "aic", "reduced_chi_squared"):
        assert getattr(a, name) == getattr(b, name)
    assert bits(a.predictions) == bits(b.predictions)


def via_file(fit, tmp_path):
    path = tmp_path / "fit.json"
    assert fit.to_json(path, indent=1) is None
    return CurveFitResult.from_json(path)


def via_text(fit, tmp_path):
    return CurveFitResult.from_json(fit.to_json())


@pytest.mark.parametrize("road", [via_file, via_text])
def test_fit_through_json(road, tmp_path):
    fit = full_fit()
    back = road(fit, tmp_path)
    same_numbers(fit, back)
    assert (
        back.model is None and back.model_info.road == "jax" and back.model_info.pointwise is True
    )
    assert back.model_info.describe() == fit.model_info.describe()
    assert back.summary() == fit.summary().replace("Fit of line(", "Fit of the model(")
    same_numbers(back, road(back, tmp_path))
    assert "model runs in JAX" in road(back, tmp_path).summary()
    with pytest.raises(AttributeError, match="nothing"):
        _ = back.model_info.nothing


def test_stored_fit_knows_its_data_points_and_says_what_it_lost():
    fit = full_fit()
    back = CurveFitResult.from_json(fit.to_json())
    np.testing.assert_allclose(back.confidence_band(), fit.confidence_band(), rtol=1e-12)
    np.testing.assert_allclose(back.prediction_interval(), fit.prediction_interval(), rtol=1e-12)
    with pytest.raises(RuntimeError, match=r"JSON holds no functions.*result\.attach\(f\)"):
        back.confidence_band([1.0])
    back.attach(line)
    np.testing.assert_allclose(back.confidence_band([1.0]), fit.confidence_band([1.0]), rtol=1e-7)


@pytest.mark.parametrize("sigma", [None, 0.8, "matrix"])
def test_predictions_without_model_for_every_sigma(sigma):
    x, y = noisy_line(10)
    sigma = np.eye(10) + 0.3 if sigma == "matrix" else sigma
    fit = fitted(LINE, x, y, sigma=sigma)
    expected, band = fit.predictions, fit.confidence_band()
    fit["model"] = None
    np.testing.assert_allclose(fit.predictions, expected, rtol=1e-9)
    np.testing.assert_allclose(fit.confidence_band(), band, rtol=1e-9)


def test_jacobian_of_a_robust_fit_is_not_mistaken_for_the_models():
    x, y = noisy_line()
    fit = fitted(LINE, x, y, loss="soft_l1")
    fit["model"] = None
    with pytest.raises(RuntimeError, match="none was given"):
        fit.confidence_band()


def test_complex_fit_through_json():
    x = np.linspace(0, 1, 6)
    wave = Model(lambda x, a, w: a * np.exp(1j * w * x), lambda x, a, w: np.zeros((len(x), 2)))
    fit = result_at(wave, x, wave.f(x, 2, 3) + 0.1j, [2, 3], np.eye(2))
    parts = np.r_[fit.fun.real, fit.fun.imag]
    fit["fun"] = parts  # as real pairs
    back = CurveFitResult.from_json(fit.to_json())
    assert bits(back.ydata) == bits(fit.ydata) and bits(back.predictions) == bits(fit.predictions)
    assert back.rmse == pytest.approx(0.1 / math.sqrt(2))


def test_pickle_keeps_a_model_that_can_travel():
    fit = full_fit()
    back = pickle.loads(pickle.dumps(fit))
    same_numbers(fit, back)
    assert type(back) is CurveFitResult and back.model_info == fit.model_info
    np.testing.assert_array_equal(back.confidence_band([1.0]), fit.confidence_band([1.0]))


def test_pickle_drops_a_model_that_cannot():
    fit = full_fit(Model(lambda x, a, b: a * x + b, line_jac))
    back = pickle.loads(pickle.dumps(fit))
    same_numbers(fit, back)
    with pytest.raises(RuntimeError, match="could not be pickled"):
        back.confidence_band([1.0])
    with pytest.raises(RuntimeError, match="could not be pickled"):
        pickle.loads(pickle.dumps(back)).confidence_band([1.0])
    assert back.attach(line).confidence_band([1.0])[0].shape == (1,)


def test_pickle_survives_a_model_that_is_gone_on_the_other_side(monkeypatch):
    module = types.ModuleType("gone_module")
    exec("def f(x, a, b): return a * x + b", module.__dict__)
    monkeypatch.setitem(sys.modules, "gone_module", module)
    data = pickle.dumps(full_fit(Model(module.f, line_jac)))
    monkeypatch.delitem(sys.modules, "gone_module")
    back = pickle.loads(data)
    with pytest.raises(RuntimeError, match="could not be found again"):
        back.confidence_band([1.0])


@pytest.mark.parametrize("loss", [lambda z: z, functools.partial(np.log1p)])
def test_a_loss_function_leaves_its_name(loss):
    fit = fitted(LINE, *noisy_line(), loss=loss)
    assert isinstance(CurveFitResult.from_json(fit.to_json()).loss, str)
    back = pickle.loads(pickle.dumps(fit)).loss
    assert isinstance(back, str) or back.func is np.log1p


@pytest.mark.parametrize("twin_of", [copy.copy, copy.deepcopy, CurveFitResult.copy])
def test_copies(twin_of):
    fit = fitted(DECAY, np.linspace(0, 3, 9), np.exp(-np.linspace(0, 3, 9)) + 0.01)
    twin = twin_of(fit)
    same_numbers(fit, twin)
    assert type(twin) is CurveFitResult and twin.model is fit.model
    deep = twin_of is copy.deepcopy
    assert (twin.x is not fit.x) == deep
    twin["x"] = np.zeros(2)
    assert fit.x.any() and fit.predictions.any()


# -- models of nlsq.models ---------------------------------------------------------------------

X = np.linspace(0.1, 4, 30)
Y = 2 * np.exp(-X / 1.3) + 0.4 * X + 0.02 * np.cos(9 * X)
NAMED = {
    "catalogue": ("exponential_decay", {"exponential_decay"}),
    "sum": ("exponential + constant", {"exponential", "constant"}),
    "formula": ("a*exp(-x/tau) + b*x", {"a*exp(-x/tau)", "b*x"}),
    "prefixed": (
        models.get("exponential").prefixed("d_") + models.formula("b*t", x="t"),
        {"d_", "b*t"},
    ),
}
ROADS = {
    "JSON": lambda fit: type(fit).from_json(fit.to_json()),
    "pickle": lambda fit: pickle.loads(pickle.dumps(fit)),
    "copy": copy.deepcopy,
}


@pytest.mark.parametrize("road", ROADS)
@pytest.mark.parametrize("kind", NAMED)
def test_models_come_back_without_attach(kind, road):
    model, parts = NAMED[kind]
    fit = curve_fit(model, X, Y, backend="numpy")
    back = ROADS[road](fit)
    x = np.array([0.3, 5.0])
    assert set(back.components()) == set(back.components(x)) == parts
    for name, part in fit.components(x).items():
        np.testing.assert_array_equal(back.components(x)[name], part)
    np.testing.assert_allclose(sum(back.components().values()), fit.predictions, rtol=1e-14)
    np.testing.assert_allclose(back.confidence_band(x), fit.confidence_band(x), rtol=1e-8)
    assert back.summary().splitlines()[0] == fit.summary().splitlines()[0]
    assert type(fit).from_json(back.to_json()).components(x).keys() == parts


class Holder:
    data = np.zeros(9)

    def line(self, x, a, b):
        return a * x + b


def test_a_function_that_can_be_found_comes_with_the_pickle():
    fit = curve_fit(line, X, Y, backend="numpy")
    back = pickle.loads(pickle.dumps(fit))
    np.testing.assert_array_equal(back.confidence_band([7.0]), fit.confidence_band([7.0]))
    assert list(back.components([7.0])) == ["line"]
    held = pickle.loads(pickle.dumps(curve_fit(Holder().line, X, Y, backend="numpy")))
    with pytest.raises(RuntimeError, match="a method stays behind"):
        held.components([7.0])
    back = CurveFitResult.from_json(fit.to_json())
    with pytest.raises(RuntimeError, match="JSON holds no functions"):
        back.components()
    assert back.attach("a*x + b").components([7.0]).keys() == {"a*x", "b"}


LOST = {
    "no model 'no_such'": {"name": "no_such"},
    "predictions": {"formula": "tau*exp(-x/a) + b*x", "x": ["x"], "parameters": ["a", "tau", "b"]},
    "other parameters": {"formula": "a*x", "x": ["x"], "parameters": ["a"]},
    "does not describe": {"code": "import os"},
    "attribute": {"formula": "a.b*x", "x": ["x"], "parameters": ["a"]},
    "more than 100": {"sum": [{"name": "linear"}] * 101},
    "more than 100 models": {"name": "+".join(["linear"] * 101)},
}


@pytest.mark.parametrize("why", LOST)
def test_what_is_no_model_of_the_result_is_lost_and_said(why):
    stored = curve_fit("a*exp(-x/tau) + b*x", X, Y, backend="numpy").to_dict()
    assert stored["model"]["formula"] == "a*exp(-x/tau) + b*x"
    back = CurveFitResult.from_dict(json.loads(json.dumps(stored | {"model": LOST[why]})))
    assert back.model is None and back.predictions.shape == X.shape
    with pytest.raises(RuntimeError, match=f"could not be made again.*{why}"):
        back.components()


@pytest.mark.parametrize("field", ["param_names", "model_name", "message"])
def test_a_stored_result_does_not_command_the_terminal(field):
    fit = curve_fit(line, X, Y, backend="numpy")
    evil = "\x1b[2Jb"
    forged = fit.to_dict() | {field: {"$tuple": [evil, "b"]} if field == "param_names" else evil}
    back = CurveFitResult.from_dict(json.loads(json.dumps(forged)))
    assert evil in (*back.names, back.model_name, back.message)
    ranking, table = compare(back, fit), back.derive(**{evil: lambda b: b})
    for shown in (back, back.params, back.params["b"], ranking, table, table[evil]):
        assert "\x1b" not in str(shown) + repr(shown)
    assert "\x1b" not in back.summary()


def test_recipes_that_have_no_end_are_refused():
    endless: dict = {"prefix": "a"}
    endless["model"] = endless
    twice = {"name": "linear"}
    for _ in range(60):  # a shared part counts each time
        twice = {"sum": [twice, twice]}
    for recipe in (endless, twice):
        with pytest.raises(InputError, match="more than 100 models"):
            models.restored(recipe)
    deep: list = []
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(InputError, match="A recipe is data as JSON has them"):
        models.restored({"name": deep})


def test_a_model_registered_elsewhere_is_lost_and_said():
    model = models.register(lambda x, a, b: a * x + b, "own_line")
    fit = curve_fit(model, X, Y, backend="numpy")
    data, text = pickle.dumps(fit), fit.to_json()
    assert pickle.loads(data).components().keys() == {"own_line"}
    del catalogue._registered["own_line"]
    recipes.forget()  # as in another process
    for back in (pickle.loads(data), CurveFitResult.from_json(text)):
        with pytest.raises(RuntimeError, match="no model 'own_line'"):
            back.components([1.0])


@pytest.mark.parametrize("suffix", [".npz", ".parquet", "folder", "pickle"])
def test_many_fits_come_back_with_their_model(suffix, tmp_path):
    out = tmp_path / "fits" if suffix == "folder" else None
    fits = fit_many("a*exp(-x/tau) + b*x", X, [Y, 2 * Y], out=out, backend="numpy")
    if suffix == "pickle":
        back = pickle.loads(pickle.dumps(fits))
    else:
        path = out or tmp_path / f"fits{suffix}"
        if out is None:
            fits.save(path)
        back = CurveFits.load(path)
    x = np.array([0.3, 5.0])
    for name, part in fits[1].components(x).items():
        np.testing.assert_array_equal(back[1].components(x)[name], part)
    with pytest.raises(ValueError, match="holds no data: give the x"):
        back[1].components()
