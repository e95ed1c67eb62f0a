"""OptimizeResult, OptimizeResultV2, OptimizeWarning, FitError: what a container must keep."""

import copy
import dataclasses
import pickle
import re
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
import scipy.optimize
from matplotlib import pyplot as plt

import nlsq.result
from nlsq import curve_fit, io
from nlsq.io.html_report import html_report
from nlsq.result import CurveFitResult, FitError, OptimizeResult, OptimizeResultV2
from nlsq.result.curve_fit_result import FIELDS
from nlsq.session.answers import fit_in
from nlsq.session.handover import packed
from nlsq.utils.safe_serialize import safe_dumps, safe_loads
from tests.result_fits import LINE, fitted, noisy_line

pytestmark = pytest.mark.usefixtures("quickly")


class Counter:
    def __init__(self, value):
        self.value, self.calls = value, 0

    def __call__(self):
        self.calls += 1
        return self.value


@pytest.fixture
def lazy():
    return Counter(np.arange(3.0))


@pytest.fixture
def result(lazy):
    return OptimizeResult({"x": 1.5, "message": "fine"}, lazy={"fun": lazy})


def test_attributes_are_keys(result):
    result.extra = 7
    assert result["extra"] == 7 and result.x == result["x"] == 1.5
    del result.extra
    assert "extra" not in result and {"x", "fun", "keys"} <= set(dir(result))


def test_unknown_attribute_names_itself_and_getattr_default_works(result):
    with pytest.raises(AttributeError, match="no field 'covariance'") as caught:
        _ = result.covariance
    assert caught.value.name == "covariance" and caught.value.obj is result
    assert getattr(result, "covariance", None) is None
    with pytest.raises(AttributeError):
        del result.covariance
    with pytest.raises(AttributeError, match="cannot be set"):
        result.keys = 3


def test_lazy_field_is_present_before_and_computed_once(result, lazy):
    assert "fun" in result and len(result) == 3 and list(result) == ["x", "message", "fun"]
    assert list(result.keys()) == ["x", "message", "fun"]
    assert "first access" in repr(result)
    assert lazy.calls == 0
    assert result.fun is result["fun"] is result.get("fun") is lazy.value
    assert lazy.calls == 1


@pytest.mark.parametrize(
    "read",
    [
        lambda r: dict(r)["fun"],
        lambda r: {**r}["fun"],
        lambda r: dict(r.items())["fun"],
        lambda r: list(r.values())[-1],
        lambda r: r.copy()["fun"],
        lambda r: copy.copy(r).fun,
        lambda r: copy.deepcopy(r).fun,
        lambda r: pickle.loads(pickle.dumps(r)).fun,
        lambda r: OptimizeResult.from_dict(r.to_dict()).fun,
        lambda r: (r | {"y": 1})["fun"],
        lambda r: ({"y": 1} | r)["fun"],
        lambda r: r.setdefault("fun"),
        lambda r: r.pop("fun"),
        lambda r: r.popitem()[1],
        lambda r: (lambda **kw: kw["fun"])(**r),
    ],
)
def test_every_road_sees_the_value_of_a_lazy_field(result, read):
    np.testing.assert_array_equal(read(result), [0.0, 1.0, 2.0])


def test_copy_of_a_lazy_field_shares_the_work(result, lazy):
    twin = result.copy()
    assert lazy.calls == 0
    assert twin.fun is result.fun and lazy.calls == 1
    twin.x = 2.0
    assert result.x == 1.5 and type(twin) is OptimizeResult


def test_equality_looks_at_values():
    a = OptimizeResult({"k": 1}, lazy={"v": lambda: 2})
    assert a == {"k": 1, "v": 2} and a != {"k": 1, "v": 3}
    assert a == OptimizeResult(lazy={"k": lambda: 1, "v": lambda: 2})
    with pytest.raises(TypeError, match="unhashable"):
        hash(a)


def test_repr_reads_like_scipys():
    ours = repr(OptimizeResult(x=np.array([1.0, 2.0]), success=True, message="done", nfev=3))
    theirs = repr(scipy.optimize.OptimizeResult(x=[1.0, 2.0], success=True, message="done", nfev=3))
    assert [line.split(":")[0].strip() for line in ours.splitlines()] == [
        line.split(":")[0].strip() for line in theirs.splitlines()
    ]
    assert len(repr(OptimizeResult(x=np.zeros(10**6)))) < 200
    assert repr(OptimizeResult()) == "OptimizeResult()"


def test_curve_fit_result_is_a_pair_and_a_mapping():
    fit = fitted(LINE, *noisy_line())
    popt, pcov = fit
    assert popt is fit.popt is fit.x is fit[0] is fit[-2] is fit["x"] is fit["popt"]
    assert pcov is fit.pcov is fit[1] is fit[np.int64(-1)]
    assert len(fit) == 2 and len(fit[:]) == 2 and list(map(id, fit)) == [id(popt), id(pcov)]
    assert "x" in fit and "nope" not in fit and dict(fit)["nfev"] == 7
    assert fit["r_squared"] == fit.r_squared and fit.get("nope", 3) == 3
    for key, error in ((2, IndexError), ("nope", KeyError)):
        with pytest.raises(error):
            _ = fit[key]
    with pytest.raises(AttributeError, match="cannot be set"):
        fit.rmse = 0.0


def test_parameters_are_keys_beside_the_fields():
    fit = fitted(LINE, *noisy_line())
    assert fit["a"] == fit.popt[0] == fit.get("a") and type(fit["a"]) is float
    with pytest.raises(KeyError, match=r"'aa' is no parameter; they are a, b; did you mean 'a'"):
        _ = fit["aa"]
    for change in (lambda: fit.__setitem__("a", 1.0), lambda: setattr(fit, "a", 1.0)):
        with pytest.raises(TypeError, match=r"'a' is a parameter .* cannot be set"):
            change()
    # in square brackets wins the parameter, everywhere else the field or statistic
    for name, field in (("x", fit.x), ("sample", None), ("aic", fit.aic)):
        twin = fitted(LINE, *noisy_line(), names=(name, "b"))
        assert twin[name] == twin.params[name].value == fit.popt[0]
        assert np.array_equal(twin.get(name), field) and (name in twin) == (name in fit)
        assert np.array_equal(getattr(twin, name, None), field)
    unnamed = CurveFitResult(x=np.array([1.0, 2.0]), pcov=np.eye(2), dof=3)
    assert unnamed["p1"] == unnamed.params["p1"].value == unnamed["p0"] + 1 == 2.0
    with pytest.raises(AttributeError, match="no field 'p0'"):
        _ = unnamed.params["p1"].start


NAMES = sorted(FIELDS | {"aic", "keys", "names", "params", "plot", "popt", "predictions", "rmse"})
ROADS = {  # from a result to its fields
    "[keys]": lambda fit: {k: fit[k] for k in fit.keys()},  # noqa: SIM118
    "dict": dict,
    "**": lambda fit: {**fit},
    "items": lambda fit: dict(fit.items()),
    "|": lambda fit: {} | fit,
    "__init__": lambda fit: dict(CurveFitResult(fit).items()),
    "setdefault": lambda fit: {k: fit.setdefault(k) for k in fit.keys()},  # noqa: SIM118
    "get": lambda fit: {k: fit.get(k) for k in NAMES if k not in ("keys", "plot")},
    "attributes": lambda fit: {k: getattr(fit, k, None) for k in NAMES},
    "deepcopy": lambda fit: dict(copy.deepcopy(fit).items()),
    "pickle": lambda fit: dict(pickle.loads(pickle.dumps(fit)).items()),
    "JSON": lambda fit: CurveFitResult.from_json(fit.to_json()).to_dict(),
    "V2": lambda fit: OptimizeResultV2.from_result(fit).to_dict(),
    "stored": lambda fit: safe_loads(safe_dumps(CurveFitResult({**fit, **UNSTORED}))),
    "document": lambda fit: io.restore(io.result_document(fit)).to_dict(),
    "sandbox": lambda fit: fit_in(
        io.result_document(fit), packed(fit, None, True), None, None
    ).to_dict(),
}
UNSTORED = dict.fromkeys(("model", "model_info"))
SAYINGS = {
    "print": str,
    "repr": repr,
    "HTML": lambda fit: fit._repr_html_(),
    "parameters": lambda fit: str(fit.params) + fit.params.to_dataframe().to_string(),
    "intervals": lambda fit: repr([(p.start, p.bounds, p.fixed) for p in fit.params.values()]),
    "bands": lambda fit: repr([*fit.confidence_band([1.0]), *fit.prediction_interval([1.0])]),
    "derive": lambda fit: str(fit.derive("+".join(fit.names[:4]))),
    "solve_for": lambda fit: str(fit.solve_for(0.0, near=1.0)),
    "components": lambda fit: repr(list(fit.components().values())),
    "compare": lambda fit: str(nlsq.compare(fit, curve_fit(lambda t, a: a + 0 * t, *WAVES))),
    "attach": lambda fit: str(pickle.loads(pickle.dumps(fit)).attach(waves(fit.names))),
    "CSV": lambda fit: io.to_csv(fit) + io.curve_csv(fit),
    "Markdown": io.to_markdown,
    "report": lambda fit: re.sub(
        "(?s)<svg.*?</svg>|<pre.*?</pre>", "", html_report(io.result_document(fit))
    ),
    "plots": lambda fit: repr([*map(drawn, (fit.plot, fit.plot_residuals, fit.plot_correlation))]),
}
WAVES = np.linspace(0, 3, 90), np.random.default_rng(1).normal(size=90)


def waves(names):
    terms = " + ".join(f"{name} * np.cos({j} * t)" for j, name in enumerate(names))
    return eval(f"lambda t, {', '.join(names)}: {terms}", {"np": np})


def drawn(plot):
    figure, _ = plot()
    plt.close(figure)
    return [line.get_xydata().tolist() for ax in figure.axes for line in ax.lines]


@pytest.fixture(scope="module")
def alike():
    """Two fits, of parameters that have the names of fields, and have not."""
    with warnings.catch_warnings():
        both = NAMES, [name.upper() for name in NAMES]
        fits = [curve_fit(waves(names), *WAVES, backend="numpy") for names in both]
    for fit in fits:
        fit.wall_time = 1.0
    return fits


@pytest.mark.parametrize("read", [*ROADS.values(), *SAYINGS.values()], ids=[*ROADS, *SAYINGS])
def test_fields_are_read_whatever_the_parameters_are_called(alike, read):
    said, expected = (re.sub("<function.*?>|0x[0-9a-f]+", "", repr(read(f)).lower()) for f in alike)
    assert said == expected


def test_every_field_of_a_result_is_known_as_such():
    fit = curve_fit(LINE.f, *noisy_line())
    assert set(fit.keys()) <= FIELDS
    asked = re.compile(r"""result(?:\.get\(|\[)["']([a-z_]+)["']""")
    house = Path(nlsq.__file__).parent
    texts = [
        p.read_text("utf-8") for room in ("result", "io", "cli") for p in house.glob(room + "/*.py")
    ]
    names = {name for text in texts for name in asked.findall(text)} - {"b"}  # of an example
    statistics = {n for n in names if isinstance(getattr(CurveFitResult, n, None), property)}
    assert "sigma" in names and names <= FIELDS | statistics


def test_dir_shows_what_people_need():
    shown = set(dir(curve_fit(LINE.f, *noisy_line())))
    assert {"params", "popt", "cost", "r_squared", "summary", "plot", "to_json", "get"} <= shown
    assert not shown & {"clear", "popitem", "update", "has_statistics"}
    assert not [name for name in shown if name.startswith("_")]


def test_a_statistic_without_its_field_names_the_field():
    bare = CurveFitResult(x=np.ones(2), pcov=np.eye(2))
    assert bare.names == ("p0", "p1") and not hasattr(bare, "chi_squared")
    with pytest.raises(AttributeError, match="no field 'fun'"):
        _ = bare.chi_squared
    assert "p0" in bare.summary() and repr(bare).startswith("CurveFitResult(p0=1.0+/-1.0, p1=")
    with pytest.raises(AttributeError, match="no field 'ydata'"):
        bare.confidence_intervals()


def test_v2_is_frozen_slotted_and_reads_like_a_dictionary():
    full = OptimizeResult(x=np.ones(2), success=True, cost=0.5, fun=np.zeros(3), other="dropped")
    record = OptimizeResultV2.from_result(full)
    assert record.x is full.x and record["cost"] == record.get("cost") == 0.5
    assert record.get("other") is None and "other" not in record and "jac" in record
    assert dict(record) == record.to_dict() == dict(record.items())
    assert list(record.keys()) == [f.name for f in dataclasses.fields(record)]
    assert len(list(record.values())) == len(record) == 15
    assert not hasattr(record, "__dict__")
    with pytest.raises(dataclasses.FrozenInstanceError):
        record.cost = 1.0
    with pytest.raises(KeyError):
        _ = record["other"]
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(record)).x, record.x)
    with pytest.raises(ValueError, match="cost, fun"):
        OptimizeResultV2.from_result(OptimizeResult(x=1, success=True))


def test_v2_takes_a_curve_fit_result():
    fit = fitted(LINE, *noisy_line())
    assert OptimizeResultV2.from_result(fit).pcov is fit.pcov


def test_warning_is_caught_as_scipys():
    with pytest.warns(scipy.optimize.OptimizeWarning):
        warnings.warn("b is free", nlsq.result.OptimizeWarning, stacklevel=1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", scipy.optimize.OptimizeWarning)
        warnings.warn("silent", nlsq.result.OptimizeWarning, stacklevel=1)
    try:
        raise nlsq.result.OptimizeWarning("as an error")
    except scipy.optimize.OptimizeWarning as error:
        assert str(pickle.loads(pickle.dumps(error))) == "as an error"
    from nlsq.result.optimize_warning import OptimizeWarning

    assert OptimizeWarning is nlsq.result.OptimizeWarning
    with pytest.raises(AttributeError):
        _ = nlsq.result.OptimiseWarning


def test_fit_error_is_scipys_exception_and_keeps_the_result():
    fit = fitted(LINE, *noisy_line())
    error = FitError("stopped", fit)
    assert isinstance(error, RuntimeError) and str(error) == "stopped" and error.result is fit
    again = pickle.loads(pickle.dumps(FitError("stopped", result=OptimizeResult(x=3))))
    assert again.result.x == 3 and str(again) == "stopped"
    assert FitError("alone").result is None


def test_import_loads_numpy_only():
    code = (
        "import sys, nlsq.result; bad = {'scipy','jax','rich','matplotlib','pandas'} & "
        "{m.split('.')[0] for m in sys.modules}; sys.exit(', '.join(bad) or None)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
