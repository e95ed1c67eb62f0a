"""Which road a model takes, that all roads end in the same place, and that none is a trap."""

import contextlib
import subprocess
import sys
import textwrap
import threading
import time
import types
import warnings

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.optimize

from benchmarks import shown
from nlsq import OptimizeWarning, curve_fit, fit_many, least_squares
from nlsq.core.model.abscissae import Abscissae
from nlsq.core.model.calls import CurveCall
from nlsq.core.model.model import Model
from nlsq.core.model.resolving import find_road
from nlsq.core.model.tracing import texts_refused
from nlsq.core.passes.layout import LENGTHS

pytestmark = [pytest.mark.core, pytest.mark.usefixtures("compiled", "quickly")]

X = np.linspace(0.05, 4.0, 60)
NOISE = 0.02 * np.random.default_rng(21).standard_normal(60)
TRUE = np.array([2.5, 0.8, 0.4])
START = np.array([1.5, 1.2, 0.2])
Y = TRUE[0] * np.exp(-TRUE[1] * X) + TRUE[2] + NOISE
TIGHT = {"ftol": 1e-15, "xtol": 1e-15, "gtol": 1e-15}


def in_jax(x, a, b, c):
    return a * jnp.exp(-b * x) + c


def in_numpy(x, a, b, c):
    return a * np.exp(-b * x) + c


def opaque(x, a, b, c):
    return np.fromiter((float(a) * np.exp(-float(b) * t) + float(c) for t in x), float, len(x))


def scipys(f, x, y, p0, **options):
    """SciPy's answer with tight tolerances and central differences."""
    tight = TIGHT | {"method": "trf", "jac": "3-point", "x_scale": "jac"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return scipy.optimize.curve_fit(f, x, y, p0, **tight, **options)


def assert_fit(result, oracle, rtol=1e-6):
    popt, pcov = oracle
    error = np.sqrt(np.diag(pcov))
    # to rtol of the value, or to a millionth of its standard error
    np.testing.assert_array_less(np.abs(result.popt - popt), rtol * np.abs(popt) + 1e-5 * error)
    assert np.max(np.abs(result.pcov - pcov) / np.outer(error, error)) < 1e-4


# ---------------------------------------------------------------------------------- the roads


def test_texts_are_refused_for_one_thread_at_a_time():
    usual = jax.core.Tracer.__repr__

    def refuse():
        with texts_refused():
            pass

    with texts_refused():
        other = threading.Thread(target=refuse)
        other.start()
        time.sleep(0.05)
    other.join()
    assert jax.core.Tracer.__repr__ is usual


def test_a_model_that_swallows_the_tracing_error_is_not_believed():
    def in_jax(x, a, b, c):
        try:
            rate = b if b > 0 else 0.0
        except Exception:
            rate = 1.0
        return a * jnp.exp(-rate * x) + c

    def helper(b):
        try:
            return float(b)
        except TypeError:
            return 1.0

    def in_helper(x, a, b, c):
        return a * jnp.exp(-helper(b) * x) + c

    class Rate:
        def of(self, b):
            with contextlib.suppress(TypeError):
                return b if b > 0 else 0.0
            return 1.0

    rates = {"rate": Rate()}

    def in_method(x, a, b, c):
        return a * np.exp(-rates["rate"].of(b) * x) + c

    def in_errstate(x, a, b, c):  # raises nothing near the start
        try:
            with np.errstate(invalid="raise"):
                return a * np.exp(-b * x) + c + 0 * np.sqrt(b - 0.9)
        except FloatingPointError:
            return a * np.exp(-b * x) + c + (0.9 - b) ** 2

    for f in (in_jax, in_helper, in_method, in_errstate):
        result = curve_fit(f, X, Y, START)
        assert result.model_info.road == "host"
        assert "errors" in result.model_info.reason
        assert_fit(result, scipys(f, X, Y, START), 1e-5)


def test_a_start_without_a_derivative_takes_differences():
    points = np.stack(np.meshgrid(np.linspace(-2, 2, 9), np.linspace(-2, 2, 9))).reshape(2, -1).T

    def bell(points, k, x0, y0):
        return k / (1 + jnp.linalg.norm(points - jnp.stack([x0, y0]), axis=1) ** 2)

    y = np.asarray(bell(points, 3.0, 0.4, -0.6)) + 0.01 * np.cos(np.arange(81))
    result = curve_fit(bell, points, y, (2, 0, 0))  # |p - p0| has a kink at one of the points
    assert result.model_info.road == "host" and "derivatives" in result.model_info.reason
    assert_fit(result, scipys(bell, points, y, (2, 0.1, 0.1)), 1e-5)


def test_each_kind_takes_its_road():
    for f, road in ((in_jax, "jax"), (in_numpy, "numpy"), (opaque, "host")):
        info = curve_fit(f, X, Y, START).model_info
        assert info.road == road
        assert info.pointwise == (road != "host")
        assert "exact" in info.derivative or road == "host"
        assert info.reason and info.describe().endswith(".")
    assert "differences" in info.derivative
    assert "JAX" in info.reason and "NumPy" in info.reason


@pytest.mark.parametrize("jac", ["2-point", "3-point", "cs"])
def test_asking_for_differences_is_the_host_road(jac):
    result = curve_fit(in_numpy, X, Y, START, jac=jac)
    assert result.model_info.road == "host" and jac in result.model_info.describe()
    assert_fit(result, scipys(in_numpy, X, Y, START))


def test_a_jac_of_the_user_is_used():
    calls = []

    def jac(x, a, b, c):
        calls.append(1)
        e = np.exp(-b * x)
        return np.stack([e, -a * x * e, np.ones_like(x)], axis=-1)

    result = curve_fit(in_numpy, X, Y, START, jac=jac)
    assert calls and "the user's jac" in result.model_info.describe()
    exact = curve_fit(in_jax, X, Y, START)
    np.testing.assert_allclose(result.popt, exact.popt, rtol=1e-9)
    np.testing.assert_allclose(result.pcov, exact.pcov, rtol=1e-9)


# ----------------------------------------------------------------------------- coupled models


FULL = np.random.default_rng(22).uniform(0.5, 1.5, 60)  # an array as long as the data
KERNEL = np.array([0.2, 0.5, 0.3])


def accumulated(x, a, b):
    return np.cumsum(a * np.exp(-b * x))


def smeared(x, a, b, c):
    return np.convolve(a * np.exp(-b * x) + c, KERNEL, mode="same")


def normalised(x, b, c):
    y = np.exp(-b * x)
    return y / y.max() + c


def relative_abscissa(x, a, b):
    return a * (x / x.max()) ** b


def modulated(x, a, b):
    return a * FULL * np.exp(-b * x)


def per_point(x, a, b):
    return a * np.exp(-b * x) * len(x) / 60


def centred(x, a, b):
    return a + b * (x - np.mean(x)) ** 2


def reversed_order(x, a, b):
    return a * np.exp(-b * x)[::-1]


def differenced(x, a, b):
    return np.gradient(a * np.exp(-b * x), x)


def normalised_in_jax(x, b, c):
    y = jnp.exp(-b * x)
    return y / jnp.sum(y) * 20 + c


COUPLED = {
    f.__name__: (f, p)
    for f, p in (
        (accumulated, (1.5, 0.7)),
        (smeared, (2.0, 0.7, 0.3)),
        (normalised, (0.7, 0.3)),
        (relative_abscissa, (1.5, 0.7)),
        (modulated, (1.5, 0.7)),
        (per_point, (1.5, 0.7)),
        (centred, (1.5, 0.7)),
        (reversed_order, (1.5, 0.7)),
        (differenced, (1.5, 0.7)),
        (normalised_in_jax, (0.7, 0.3)),
    )
}


@pytest.mark.parametrize("name", COUPLED)
def test_a_coupled_model_is_evaluated_whole(name):
    f, true = COUPLED[name]
    y = np.asarray(f(X, *true)) + NOISE
    p0 = np.array(true) * 1.2
    result = curve_fit(f, X, y, p0)
    assert not result.model_info.pointwise
    assert result.model_info.coupling or result.model_info.road == "host"
    assert_fit(result, scipys(normalised_numpy if f is normalised_in_jax else f, X, y, p0))


def normalised_numpy(x, b, c):
    y = np.exp(-b * x)
    return y / np.sum(y) * 20 + c


def test_a_coupled_model_at_another_length_is_not_the_old_one():
    """The same function with half the points: normalisation and length are those of the call."""
    half = X[::2]
    for f, true in (COUPLED["normalised"], COUPLED["per_point"], COUPLED["accumulated"]):
        for x in (X, half, X):
            y = f(x, *true) + NOISE[: x.size]
            p0 = np.array(true) * 1.2
            assert_fit(curve_fit(f, x, y, p0), scipys(f, x, y, p0))


# --------------------------------------------------------------------------- what xdata may be


def by_name(data, a, b, c):
    return a * np.exp(-b * data["t"]) + c * data["u"]


def by_attribute(data, a, b, c):
    return a * np.exp(-b * data.t) + c * data.u


def by_unpacking(data, a, b, c):
    t, u = data
    return a * np.exp(-b * t) + c * u


def by_column(data, a, b, c):
    return a * np.exp(-b * data[:, 0]) + c * data[:, 1]


def by_row(data, a, b, c):
    return a * np.exp(-b * data[0]) + c * data[1]


U = np.cos(X)
Y_TWO = 2.5 * np.exp(-0.8 * X) + 0.4 * U + NOISE


def _abscissae(kind):
    pandas = pytest.importorskip("pandas")
    return {
        "frame by name": (by_name, pandas.DataFrame({"t": X, "u": U})),
        "frame by attribute": (by_attribute, pandas.DataFrame({"t": X, "u": U})),
        "dict": (by_name, {"t": X, "u": U}),
        "tuple": (by_unpacking, (X, U)),
        "list": (by_unpacking, [X, U]),
        "stacked": (by_unpacking, np.stack([X, U])),
        "rows": (by_row, np.stack([X, U])),
        "columns": (by_column, np.stack([X, U], axis=1)),
    }[kind]


@pytest.mark.parametrize(
    "kind",
    ["frame by name", "frame by attribute", "dict", "tuple", "list", "stacked", "rows", "columns"],
)
def test_xdata_of_any_form(kind):
    f, x = _abscissae(kind)
    oracle = scipys(by_row, np.stack([X, U]), Y_TWO, START)
    result = curve_fit(f, x, Y_TWO, START)
    assert_fit(result, oracle)
    np.testing.assert_allclose(result.predictions, by_row(np.stack([X, U]), *result.popt))


@pytest.mark.parametrize("kind", ["float32", "int", "list of int", "series"])
def test_xdata_of_any_type(kind):
    whole = np.arange(1, 41)
    y = 2.5 * np.exp(-0.08 * whole) + 0.4 + NOISE[:40]
    pandas = pytest.importorskip("pandas")
    x = {
        "float32": whole.astype(np.float32),
        "int": whole,
        "list of int": whole.tolist(),
        "series": pandas.Series(whole, index=whole + 100),
    }[kind]
    p0 = [2.0, 0.1, 0.2]
    assert_fit(curve_fit(in_numpy, x, y, p0), scipys(in_numpy, whole.astype(float), y, p0))


def test_xdata_that_is_not_numbers():
    labels = np.array(["low", "high"] * 30)

    def by_label(x, low, high):
        return np.where(x == "low", low, high)

    y = np.where(labels == "low", 1.0, 3.0) + NOISE
    result = curve_fit(lambda _, low, high: by_label(labels, low, high), None, y, [1.0, 1.0])
    means = [y[labels == "low"].mean(), y[labels == "high"].mean()]
    np.testing.assert_allclose(result.popt, means, rtol=1e-9)


# ------------------------------------------------------------------------- what a model returns


def test_a_constant():
    result = curve_fit(lambda x, c: c, X, Y, [1.0])
    assert result.popt[0] == pytest.approx(Y.mean(), rel=1e-9)
    assert result.pcov[0, 0] == pytest.approx(np.var(Y, ddof=1) / Y.size, rel=1e-9)
    assert result.residuals.shape == (60,)
    np.testing.assert_allclose(result.residuals, Y - Y.mean(), atol=1e-9)
    assert result.jac.shape == (60, 1) and result.fun.shape == (60,)


def test_a_model_that_does_not_use_its_parameters():
    with pytest.warns(Warning, match="do not determine a, b|determine a; .*determine b"):
        result = curve_fit(lambda x, a, b: 2.0 * x, X, Y, [1.0, 1.0])
    assert np.isposinf(result.pcov).all() and result.undetermined == ("a", "b")


def test_leaves_of_x_that_are_empty_or_complex():
    empty = curve_fit(lambda x, a, b: a * x["u"] + b, {"u": X, "v": np.zeros(0)}, 2 * X + 1, [1, 1])
    np.testing.assert_allclose(empty.popt, [2, 1], rtol=1e-9)
    turned = curve_fit(lambda x, a, b: a * np.abs(x) + b, X * np.exp(1j * X), 2 * X + 1, [1, 1])
    np.testing.assert_allclose(turned.popt, [2, 1], rtol=1e-9)


@pytest.mark.parametrize("to", [np.float32, np.float16], ids=str)
def test_a_model_that_rounds_its_values(to):
    """Only single precision is left of its values; the fit is as good as those."""

    def rounded(x, a, b, c):
        return (a * np.exp(-b * x) + c).astype(to)

    with warnings.catch_warnings():  # half precision may hide where the gradient is 0
        warnings.simplefilter("ignore", OptimizeWarning)
        result = curve_fit(rounded, X, Y, START)
    assert result.popt.dtype == np.float64
    popt, pcov = scipys(in_numpy, X, Y, START)
    assert np.all(np.abs(result.popt - popt) < 0.1 * np.sqrt(np.diag(pcov)))


def test_a_model_in_whole_numbers():
    """Whole numbers times a parameter are doubles, and integer output is not an error."""
    counts = np.arange(1, 21)
    result = curve_fit(
        lambda x, a, b: a * x**2 + b * (x // 2), counts, 3.0 * counts**2 + counts // 2
    )
    np.testing.assert_allclose(result.popt, [3.0, 1.0], rtol=1e-9)
    with pytest.warns(Warning, match="do not determine"):
        stepped = curve_fit(lambda x, a: np.round(a * 0 + x).astype(int), X, Y, [1.0])
    assert stepped.undetermined == ("a",)


@pytest.mark.parametrize("shape", ["list", "column", "tuple"])
def test_other_containers(shape):
    def boxed(x, a, b, c):
        y = a * np.exp(-b * x) + c
        return {"list": list, "column": lambda v: v[:, None], "tuple": tuple}[shape](y)

    assert_fit(curve_fit(boxed, X, Y, START), scipys(in_numpy, X, Y, START))


# -------------------------------------------------- translations that must not be believed


def looks_at_the_type(x, a, b, c):
    """A different law for anything that is not a plain array or number."""
    if type(a) in (float, np.float64) and type(x) is np.ndarray:
        return a * np.exp(-b * x) + c
    return a * np.exp(-b * x) + 1.5 * c


def looks_at_isinstance(x, a, b, c):
    rate = b if isinstance(b, float | np.floating) else 0.5 * b
    return a * np.exp(-rate * x) + c


def counts_itself_out(x, a, b, c):
    """isinstance of an array made from the parameters."""
    y = a * np.exp(-b * x)
    return y + c if isinstance(y, np.ndarray) else y + 3 * c


@pytest.mark.parametrize("f", [looks_at_the_type, looks_at_isinstance, counts_itself_out])
def test_a_model_that_behaves_differently_when_traced(f):
    result = curve_fit(f, X, Y, START)
    assert_fit(result, scipys(in_numpy, X, Y, START))
    np.testing.assert_allclose(f(X, *result.popt), in_numpy(X, *result.popt))


def changes_far_away(x, a, b, c):
    """A branch on a parameter that only the way to the minimum meets."""
    if a > 2:
        return a * np.exp(-b * x) + c
    return a * np.exp(-b * x) + c + 0.1 * (2 - a)


def test_a_branch_on_a_parameter_is_followed():
    result = curve_fit(changes_far_away, X, Y, START)
    assert_fit(result, scipys(in_numpy, X, Y, START))


# ------------------------------------------- what the model is shown is what SciPy's call shows it


def road_of(f, x, p0=(1.1, 0.9), **options):
    """The road for data x, and the values of the program as the engine runs it."""
    x = np.asarray(x, float)
    m = x.shape[-1]
    model = Model(CurveCall(f), len(p0), "f")
    data = Abscissae(x, m)
    model.resolve(data, m, np.array(p0), False, **options)
    return model.info, model


def values_in_blocks(model, x, p, block):
    """What the program that reads `block` points at a time, or all, gives."""
    data = Abscissae(x, x.size)
    with jax.enable_x64(True):
        call = model.traceable(data)
        if not model.info.pointwise:
            return np.asarray(call(jnp.asarray(x), list(p), x.size))
        parts = [x[k : k + block] for k in range(0, x.size - block + 1, block)]
        return np.concatenate([np.asarray(call(jnp.asarray(u), list(p), block)) for u in parts])


BACKGROUND = np.sin(7 * np.linspace(0.1, 3.0, 1000))


def adds_a_table_of_its_length(x, a, b):
    return a * x + b + (BACKGROUND if len(x) == len(BACKGROUND) else 0.0)


def adds_a_table_of_its_shape(x, a, b):
    return a * jnp.sqrt(x) + b + (BACKGROUND if x.shape == BACKGROUND.shape else 0.0)


def adds_a_table_if_it_can(x, a, b):
    try:
        return a * x + b + BACKGROUND
    except (TypeError, ValueError):
        return a * x + b


def above(limit):
    return lambda x, a, b: a * np.exp(-b * x) if len(x) > limit else a + b * x


def above_in_jax(limit):
    return lambda x, a, b: a * jnp.exp(-b * x) if x.shape[0] > limit else a + b * x


COUNTING = {
    "equal to a table": adds_a_table_of_its_length,
    "of a table's shape": adds_a_table_of_its_shape,
    "adds a table if it can": adds_a_table_if_it_can,
    "a scalar or not": lambda x, a, b: a * x + b * (1 if np.size(x) > 1 else 2),
    "parity": lambda x, a, b: a * x + b * (1 if x.size % 2 else 2),
    "bytes": lambda x, a, b: a * x + b * (1 if x.nbytes > 5000 else 2),
    "loop": lambda x, a, b: a * x + b * max(i for i, _ in enumerate(x)) / 9,
    **{f"above {k}": above(k) for k in (1, 63, 100, 255, 998, 1000, 1023, 5000)},
    **{f"above {k} in jax": above_in_jax(k) for k in (64, 999, 1008, 2047)},
}


@pytest.mark.parametrize("name", COUNTING)
@pytest.mark.parametrize("m", [40, 999, 1000])
def test_a_model_that_asks_for_its_length_gets_the_user_s(name, m):
    """In the blocks the programs read, and in lanes of one point."""
    f, x, p = COUNTING[name], np.linspace(0.1, 3.0, m), (1.1, 0.9)
    with jax.enable_x64(True):
        truth = np.broadcast_to(f(x, *map(np.float64, p)), m)
    for options, blocks in (({}, LENGTHS), ({"lengths": (1, 16)}, (1, 16))):
        info, model = road_of(f, x, p, **options)
        for block in [k for k in blocks if k <= m] if info.road != "host" else []:
            shown = values_in_blocks(model, x, p, block)
            np.testing.assert_allclose(shown, truth[: shown.size], rtol=1e-13)


def test_a_length_beyond_the_data_counts_for_data_that_are_a_sample():
    x = np.linspace(0.1, 3.0, 300)
    assert road_of(above(5000), x)[0].pointwise
    assert not road_of(above(5000), x, n_points=10**6)[0].pointwise
    assert road_of(above(5000), x, n_points=4999)[0].pointwise


def test_a_model_that_cannot_ask_is_traced_for_no_further_length():
    seen = []

    def watched(x, a, b):
        seen.append(np.shape(x))  # this makes that it could
        return a * np.exp(-b * x)

    for f in (in_jax, in_numpy):
        _, model = road_of(f, X, START)
        assert not model.resolution.asks_for_length and len(model.resolution.same_at) == 4
    road_of(watched, X)
    assert (60,) in seen


def test_fits_of_models_that_ask_for_their_length():
    """Sampled first, in chunks, and side by side: each as SciPy's."""
    x = np.linspace(0.0, 4.0, 40_000)
    truth = np.array([2.5, 1.3])
    model = above(35_000)
    result = curve_fit(model, x, model(x, *truth), [1.0, 1.0])
    assert not result.model_info.pointwise
    np.testing.assert_allclose(result.popt, truth, rtol=1e-9)
    x = np.linspace(0.0, 4.0, 40)
    one_by_one = COUNTING["a scalar or not"]
    many = fit_many(one_by_one, x, np.stack([one_by_one(x, *truth)] * 2), p0=[1.0, 1.0])
    np.testing.assert_allclose(many.popt, [truth, truth], rtol=1e-9)


LENGTH_KEPT = np.linspace(0.1, 3.0, 300)
OF_TYPES = {
    "isinstance of x": lambda x, a, b: a * x + b * (1 if isinstance(x, np.ndarray) else 2),
    "type of x": lambda x, a, b: a * x + b * (1 if type(x) is np.ndarray else 2),
    "isinstance of a": lambda x, a, b: a * x + b if isinstance(a, float) else 9 * a * x + b,
    "type of a": lambda x, a, b: a * x + (b if type(a) is np.float64 else 2 * b),
    "isscalar": lambda x, a, b: a * x + b * (1 if np.isscalar(a) else 2),
    "hasattr": lambda x, a, b: a * x + b * (1 if hasattr(a, "hex") else 2),
    "in jax": lambda x, a, b: a * jnp.exp(-x) + b * (1 if isinstance(x, np.ndarray) else 2),
    "no array of jax": lambda x, a, b: a * jnp.exp(-x) + b * (2 if isinstance(x, jax.Array) else 1),
    "isscalar in jax": lambda x, a, b: a * jnp.exp(-x) + b * (1 if np.isscalar(b) else 2),
}


@pytest.mark.parametrize("m", [60, 300])
@pytest.mark.parametrize("name", OF_TYPES)
def test_a_model_that_asks_for_types_is_shown_those_of_numpy(name, m):
    """On the host, with the data fixed in the program, or by proxies that pass for arrays."""
    f, x, p = OF_TYPES[name], np.linspace(0.1, 3.0, m), (1.1, 0.9)
    info, model = road_of(f, x, p)
    assert info.road != "jax" or not info.pointwise
    assert "differ" in info.reason
    if info.road != "host":
        with jax.enable_x64(True):
            truth = np.asarray(f(x, *map(np.float64, p)))
        np.testing.assert_allclose(values_in_blocks(model, x, p, m), truth, rtol=1e-13)


OF_TEXTS = {
    "str": lambda x, a, b: a * x + (b if len(str(x)) > 64 else 3 * b),
    "repr in jax": lambda x, a, b: a * jnp.exp(-x) + b * len(repr(x)),
    "f-string": lambda x, a, b: a * x + (b if len(f"{x[0]}") > 4 else 3 * b),
    "percent": lambda x, a, b: a * np.sqrt(x) + (b if "%s" % x[-1] < "7" else 3 * b),  # noqa: UP031
    "format of a": lambda x, a, b: a * jnp.exp(-x) + b * len(format(a)),
}  # fmt: skip


@pytest.mark.parametrize("name", OF_TEXTS)
def test_a_text_is_that_of_numbers_for_each_data_anew(name):
    f = OF_TEXTS[name]
    for x in (np.linspace(0.125, 8.0, 64), np.linspace(0.1234567, 6.54321, 64)):
        info, model = road_of(f, x)
        assert not info.pointwise and "makes a text" in info.reason
        if info.road != "host":
            with jax.enable_x64(True):
                truth = np.asarray(f(x, *np.array([1.1, 0.9])))
            shown = values_in_blocks(model, x, (1.1, 0.9), x.size)
            np.testing.assert_allclose(shown, truth, rtol=1e-13)


def test_ties_are_in_the_order_of_numpys_own_sort():
    """Which is not stable: where the first data have no ties, the next may."""
    rng = np.random.default_rng(0)
    for sort in (np.argsort, lambda x: x.argsort(), lambda x: np.argpartition(x, 20)):
        for x in (rng.uniform(size=300), rng.integers(0, 9, 300).astype(float)):
            result = curve_fit(
                lambda x, a, b, s=sort: a * x - b * s(x), x, 2 * x - 0.7 * sort(x), [1, 1]
            )
            np.testing.assert_allclose(result.popt, [2, 0.7], rtol=1e-9)


def test_a_text_that_is_only_said_costs_no_derivative(capsys):
    def says(x, a, b):
        if len(x) < 3:
            raise ValueError(f"{x} is too short")
        print(f"a is {a}")
        named = {f"p{i}": value for i, value in enumerate((a, b))}
        return named["p0"] * np.exp(-named["p1"] * x)

    info, _ = road_of(says, np.linspace(0.1, 3.0, 64))
    assert info.road == "numpy" and "a is" in capsys.readouterr().out


def test_a_table_that_only_numbers_meet_is_no_error():
    """Some of the points do not fit it, all of them do; a tracer never meets it."""

    def of_type(x, a, b):
        return a * x + (b * BACKGROUND if isinstance(a, float) else b)

    def by_index(x, a, b):
        return a * np.sqrt(x) + b * (BACKGROUND if np.isscalar(a) else 1.0)

    x = np.linspace(0.1, 3.0, 1000)
    for f in (of_type, by_index):
        info, model = road_of(f, x)
        assert not info.pointwise
        if info.road != "host":
            shown = values_in_blocks(model, x, (1.1, 0.9), x.size)
            np.testing.assert_allclose(shown, f(x, *np.array([1.1, 0.9])), rtol=1e-13)


class Knowing:
    """Asks by a method, of the class or of an object."""

    def knows(self, x):
        return x is LENGTH_KEPT

    def __call__(self, x):
        return np.shares_memory(x, LENGTH_KEPT)


HELD, MODULE = [Knowing()], types.ModuleType("own")
MODULE.knows = lambda x: id(x) == id(LENGTH_KEPT)
KNOWING = {
    "directly": lambda x: x is LENGTH_KEPT,
    "by a class": lambda x: Knowing.knows(None, x),
    "by a method": lambda x: HELD[0].knows(x),
    "by an object": Knowing(),
    "by a module": lambda x: MODULE.knows(x),
}


@pytest.mark.parametrize("name", KNOWING)
def test_a_model_that_knows_its_own_data_by_other_code_is_shown_them(name):
    asks = KNOWING[name]
    for x in (LENGTH_KEPT.copy(), LENGTH_KEPT):
        data = Abscissae(x.copy(), x.size)
        data.own = x
        model = Model(CurveCall(lambda x, a, b: a * x + b + (3 if asks(x) else 0.0)), 2, "f")
        model.resolve(data, x.size, np.array([1.1, 0.9]), False)
        assert data.given is x
        if not model.on_host:
            shown = values_in_blocks(model, x, (1.1, 0.9), x.size)
            np.testing.assert_allclose(shown, 1.1 * x + 0.9 + 3 * (x is LENGTH_KEPT), rtol=1e-13)


def test_a_model_that_knows_its_own_data():
    """`x is X` with the array that the user gave, with a copy of it, and with the array again."""

    def knows(x, a, b):
        return a * x + b + (np.sin(7 * x) if x is LENGTH_KEPT else 0.0)

    for x in (LENGTH_KEPT.copy(), LENGTH_KEPT, LENGTH_KEPT.copy()):
        result = curve_fit(knows, x, knows(x, 1.7, 0.6), [1.0, 1.0])
        assert result.success and result.model_info.pointwise == (x is not LENGTH_KEPT)
        np.testing.assert_allclose(result.popt, [1.7, 0.6], rtol=1e-7)


def test_a_search_of_models_and_data_finds_no_wrong_program():
    wrong, counts = shown.search(40, 20, False, lengths=(1, 65, 300))
    assert wrong == []
    assert counts["pointwise"] > 10 and counts["jax"] > 10 and counts["numpy"] > 10


# ------------------------------------------------------------------ what fails later, or too long


def test_points_in_a_loop_are_for_the_host():
    def filled(x, a, b):
        y = np.zeros(len(x))
        for i in range(len(x)):
            y[i] = a * np.exp(-b * x[i]) + i
        return y

    for f in (
        filled,
        lambda x, a, b: np.array([a * np.exp(-b * v) for v in x]),
        lambda x, a, b: jnp.stack([a * jnp.exp(-b * v) for v in x]),
        lambda x, a, b: jnp.stack([a * jnp.exp(-b * x[i]) for i in range(x.size)]),
    ):
        assert road_of(f, X[:12])[0].road != "host"
        for m in (260, 5000) if f is filled else (260,):  # of the same model
            info, _ = road_of(f, np.linspace(0.1, 3.0, m))
            assert info.road == "host" and "too many to compile" in info.reason


def test_a_long_sum_is_compiled_and_an_endless_one_is_not():
    def peaks(count, exp):
        def f(x, a, b):
            y = 0.0
            for k in range(count):
                y = y + a * exp(-(((x - 0.1 * k) / b) ** 2))
            return y

        return f

    for exp in (np.exp, jnp.exp):
        assert road_of(peaks(50, exp), X)[0].road != "host"
        info, _ = road_of(peaks(400, exp), X)
        assert info.road == "host" and "too many to compile" in info.reason


def test_a_derivative_that_jax_cannot_take_is_left_to_differences():
    @jax.custom_vjp
    def own(u):
        return jnp.exp(u)

    own.defvjp(lambda u: (own(u), u), lambda u, t: (t * jnp.exp(u),))

    def called_back(x, a, b, c):
        run = lambda *v: in_numpy(*map(np.asarray, v))  # noqa: E731
        return jax.pure_callback(run, jax.ShapeDtypeStruct(x.shape, float), x, a, b, c)

    oracle = scipys(in_numpy, X, Y, START)
    for f in (lambda x, a, b, c: a * own(-b * x) + c, called_back):
        result = curve_fit(f, X, Y, START)
        assert result.model_info.road == "host" and "JVP" in result.model_info.reason.upper()
        assert_fit(result, oracle, 1e-5)
        np.testing.assert_allclose(fit_many(f, X, Y[None], START).popt[0], oracle[0], rtol=1e-5)


def test_a_random_key_in_a_closure_is_no_obstacle():
    key = jax.random.key(0)
    shift = lambda x, a, b: a * x + b + 0 * jax.random.normal(key, x.shape)  # noqa: E731
    found = find_road(CurveCall(shift), Abscissae(X, 60), 60, np.ones(2))
    assert found.info.road == "jax" and not found.info.pointwise


@pytest.mark.parametrize("transformation", [jax.jit, jax.grad, jax.vmap])
def test_a_fit_inside_a_transformation_says_so(transformation):
    def line(x, a):
        return a * x

    x = X.copy()  # JAX 0.10 confuses the precisions of an array that it met as a constant before
    for inside in (
        lambda z: z * curve_fit(line, x, 3 * x).popt[0],
        lambda z: curve_fit(line, x, z * x).popt[0],
        lambda z: least_squares(lambda p: p - z, [1.0]).x[0],
        lambda z: fit_many(line, x, (z * x)[None]).popt[0, 0],
    ):
        with pytest.raises(TypeError, match=r"cannot run inside jax\.jit, grad, vmap"):
            transformation(inside)(jnp.ones(3) if transformation is jax.vmap else 1.0)


# ------------------------------------------------------------------------- JAX stays the user's


def _run(code):
    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(code)],
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    assert run.stderr == ""
    return run.stdout


def test_a_program_that_keeps_jax_in_single_precision():
    out = _run(
        """
        import jax, jax.numpy as jnp, numpy as np
        before = jnp.arange(3.0) * 2
        assert before.dtype == jnp.float32
        from nlsq import curve_fit
        x = np.linspace(0, 4, 50)
        y = 2.5 * np.exp(-1.3 * x) + 0.5
        for f in (
            lambda x, a, b, c: a * jnp.exp(-b * x) + c,
            lambda x, a, b, c: a * np.exp(-b * x) + c,
            lambda x, a, b, c: np.fromiter((a * np.exp(-b * t) + c for t in x), float, len(x)),
        ):
            r = curve_fit(f, x, y, p0=[1.0, 1.0, 0.0])
            assert np.abs(r.popt - [2.5, 1.3, 0.5]).max() < 1e-9, r.popt
            assert r.popt.dtype == r.fun.dtype == r.jac.dtype == np.float64
            assert np.abs(r.fun).max() < 1e-9
            assert not jax.config.jax_enable_x64
            assert (jnp.arange(3.0) * 2).dtype == jnp.float32
            print(r.model_info.road)
        assert jax.jit(lambda v: v + 1)(before).dtype == jnp.float32
        # single-precision JAX arrays as data
        r = curve_fit(lambda x, a, b: a * jnp.exp(-b * x), jnp.asarray(x), jnp.asarray(y - 0.5),
                      p0=[1.0, 1.0])
        assert np.abs(r.popt - [2.5, 1.3]).max() < 1e-4
        assert not jax.config.jax_enable_x64
        try:
            curve_fit(lambda x, a: 1 / 0, x, y)
        except ZeroDivisionError:
            pass
        assert not jax.config.jax_enable_x64
        """
    )
    assert out.split() == ["jax", "numpy", "host"]


def test_a_program_that_has_jax_in_double_precision():
    out = _run(
        """
        import jax, numpy as np
        jax.config.update("jax_enable_x64", True)
        import jax.numpy as jnp
        from nlsq import curve_fit
        x = np.linspace(0, 4, 50)
        r = curve_fit(lambda x, a, b: a * jnp.exp(-b * x), x, 2 * np.exp(-x), p0=[1.0, 0.5])
        assert jax.config.jax_enable_x64 and jnp.arange(3.0).dtype == jnp.float64
        print(float(np.abs(r.popt - [2, 1]).max() < 1e-9))
        """
    )
    assert out.split() == ["1.0"]
