"""The loop in NumPy: `NLSQ_BACKEND=numpy`, what a debugger sees there, and a wrong name."""

import sys
import threading
import types

import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest

import nlsq
from nlsq import curve_fit, fit_many, least_squares
from nlsq.caching.unified_cache import UnifiedCache
from nlsq.core import dogbox, lm, trf
from nlsq.core.drive import buying
from nlsq.core.drive.batch import lanes
from nlsq.core.model.model import Model
from nlsq.core.model.reading import count_operations

pytestmark = [pytest.mark.core, pytest.mark.usefixtures("quickly")]

X = np.linspace(0.0, 5.0, 60)
NOISE = 0.05 * np.random.default_rng(0).standard_normal(60)
P0 = (2.0, 1.0, 0.1)


def decay(x, a, b, c):
    return a * np.exp(-b * x) + c


TRF = trf.TrustRegionReflective
Y = decay(X, 2.5, 1.3, 0.5) + NOISE


def in_jax(x, a, b, c):
    return a * jnp.exp(-b * x) + c


def single(**options):
    return curve_fit(decay, X, Y, P0, **options)


FITS = {
    "single": (single, TRF),
    "lm": (lambda: single(method="lm"), lm.LevenbergMarquardt),
    "dogbox": (lambda: single(method="dogbox"), dogbox.Dogbox),
    "bounded": (lambda: single(bounds=([0, 0, 0], [10, 10, 0.4])), TRF),
    "of JAX": (lambda: curve_fit(in_jax, X, Y, P0), TRF),
    "batch": (
        lambda: fit_many(decay, X, np.stack([Y, Y + 0.1]), p0=P0),
        types.SimpleNamespace(propose=lanes._propose),
    ),
    "streamed": (lambda: nlsq.fit(decay, X, Y, p0=P0, workflow="streaming"), TRF),
    "residuals": (lambda: least_squares(lambda p: decay(X, *p) - Y, P0), TRF),
}


@pytest.fixture
def in_numpy(monkeypatch):
    monkeypatch.setenv("NLSQ_BACKEND", "numpy")


def frames_of(fit, code):
    """Our frames, the outermost first, at the first call of `code`, where a debugger would stop."""
    found = []

    def stop(frame, event, argument):
        if frame.f_code is code and not found:
            found.append([])
            while frame:
                if "nlsq" in frame.f_globals.get("__name__", "").split(".")[:1]:
                    found[0].insert(0, frame.f_code.co_name)
                frame = frame.f_back

    before = sys.gettrace()
    sys.settrace(stop)
    try:
        fit()
    finally:
        sys.settrace(before)
    return found


@pytest.mark.parametrize("name", FITS)
def test_a_breakpoint_in_the_method_stops(name, in_numpy):
    fit, method = FITS[name]
    assert frames_of(fit, method.propose.__code__)


def test_from_curve_fit_to_the_step_are_six_frames(in_numpy):
    (names,) = frames_of(single, TRF.propose.__code__)
    assert len(names) <= 6
    assert names[0] == "curve_fit"


@pytest.mark.parametrize("name", ["single", "batch", "streamed"])
def test_both_backends_take_the_same_steps(name, monkeypatch):
    """That all roads end in the same place on both is for `tests.table` to say."""
    fit, _ = FITS[name]
    ours = fit()
    monkeypatch.setenv("NLSQ_BACKEND", "numpy")
    other, threads = fit(), threading.active_count()
    assert threading.active_count() == threads
    for field in ("nfev", "njev", "nit"):  # the last steps of a polish are of rounding's size
        assert np.abs(np.asarray(getattr(other, field)) - getattr(ours, field)).max() <= 1
    assert np.array_equal(np.asarray(other.success), np.asarray(ours.success))


def test_a_wrong_name_is_an_error(monkeypatch):
    monkeypatch.setenv("NLSQ_BACKEND", "cupy")
    with pytest.raises(ValueError, match="NLSQ_BACKEND='cupy' is no backend; set it to one of"):
        single()


# ------------------------------------------------------------------------------ rent or buy


def backends_of(fits, *args, **options):
    """The backends of fits of one new model, after another."""
    nlsq.clear_cache()
    return [curve_fit(*args, **options).backend for _ in range(fits)]


def of_two(x, a, b):
    return a / (1 + b * x)


Z = of_two(X, 3.0, 0.7) + NOISE


def test_a_model_is_compiled_when_its_fits_have_cost_the_price(monkeypatch):
    account = buying.Account(count_operations(of_two), False, False)
    one = account.work(curve_fit(of_two, X, Z).nfev, 2, X.size)
    monkeypatch.setattr(buying, "PRICE", max(2.5 * one, account.work(buying.PASSES, 2, X.size) + 1))
    first = backends_of(5, of_two, X, Z)
    assert first == sorted(first, reverse=True)
    assert first[0] == "numpy"
    assert first[-1] == "jax"
    assert backends_of(5, of_two, X, Z) == first  # whatever is compiled by now
    # what is predicted to cost more than the price is compiled at once
    monkeypatch.setattr(buying, "PRICE", account.work(buying.PASSES, 2, X.size))
    assert backends_of(1, of_two, X, Z) == ["jax"]


@pytest.mark.parametrize("backend", ["numpy", "jax"])
def test_a_call_says_how_it_runs(backend):
    result = curve_fit(of_two, X, Z, backend=backend)
    assert result.backend == backend
    assert ("backend='numpy'" in result.model_info.reason) == (backend == "numpy")
    residuals = least_squares(lambda p: of_two(X, *p) - Z, [1.0, 1.0], backend=backend)
    assert residuals.backend == backend
    np.testing.assert_allclose(residuals.x, result.popt, rtol=1e-9)
    with pytest.raises(ValueError, match="`backend` must be None or one of"):
        curve_fit(of_two, X, Z, backend="cupy")


def loops(x, a, b):
    return np.array([a / (1 + b * t) for t in x.tolist()] + [0.0])[:-1]


def sums_in_a_loop(x, a, b):
    out = np.empty(len(x))
    for i, t in enumerate(x):
        out[i] = a / (1 + b * t)
    return out


def by_pandas(x, a, b):
    return a / (1 + b * pd.DataFrame({"x": x}))


def turns(x, a, b):
    return np.sqrt(a**2) / (1 + b * x)


@pytest.mark.parametrize(
    ("model", "start", "reason"),
    [
        (loops, [1.0, 1.0], "loop"),
        (sums_in_a_loop, [1.0, 1.0], "loop"),
        (by_pandas, [1.0, 1.0], "most of them inside pandas"),
        (turns, [0.0, 1.0], ""),
    ],
    ids=["a list", "an array", "a table", "no derivative at the start"],
)
def test_differences_take_over(model, start, reason):
    x = np.linspace(0.0, 5.0, 400)
    y = of_two(x, 3.0, 0.7) + 0.05 * np.cos(50 * x)
    result = curve_fit(model, x, y, start)
    assert result.backend == "numpy"
    assert "differences" in result.model_info.derivative
    assert reason in result.model_info.derivative
    expected = curve_fit(of_two, x, y)
    np.testing.assert_allclose(result.popt, expected.popt, rtol=1e-7)
    np.testing.assert_allclose(result.perr, expected.perr, rtol=1e-5)


def test_a_program_that_has_become_wrong_is_found_at_the_solution(monkeypatch):
    nlsq.clear_cache()
    state = np.array([1.0])

    def model(x, a, b):
        return a * np.exp(-b * x) * float(state[0])

    monkeypatch.setattr(Model, "_content", lambda self: ("nobody sees the change",))
    assert curve_fit(model, X, Y, backend="jax").backend == "jax"
    state[0] = 2.0
    result = curve_fit(model, X, Y)
    stale = curve_fit(model, X, Y, backend="jax")
    for found in (result, stale):
        assert found.backend == "numpy"
        np.testing.assert_allclose(
            found.popt, curve_fit(lambda x, a, b: 2 * a * np.exp(-b * x), X, Y).popt
        )


@pytest.mark.parametrize("kind", ["another shape", "an error", "single precision"])
def test_what_the_users_function_says_at_the_solution(kind, monkeypatch):
    """A function that contradicts its program is heard; rounding of its own type is none."""
    state = {"now": ""}
    monkeypatch.setattr(Model, "_content", lambda self: ("nobody sees", kind))
    monkeypatch.setattr(buying, "_accounts", UnifiedCache("test"))

    def model(x, a, b):
        if state["now"] == "an error":
            raise RuntimeError("no more")
        y = a * np.exp(-b * x)
        return y[:-1] if state["now"] == "another shape" else y.astype(np.float32)

    def fit():
        return curve_fit(model, X, Y, [2.0, 1.0], backend="jax")

    assert fit().backend == "jax"
    state["now"] = kind
    if kind == "single precision":
        assert fit().backend == "jax"
    else:
        with pytest.raises((ValueError, RuntimeError), match=r"no more|shape|values"):
            fit()
