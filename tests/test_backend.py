"""The loop in NumPy: `NLSQ_BACKEND=numpy`, what a debugger sees there, and a wrong name."""

import sys
import threading
import types

import jax.numpy as jnp
import numpy as np
import pytest

import nlsq
from nlsq import curve_fit, fit_many, least_squares
from nlsq.core import dogbox, lm, trf
from nlsq.core.drive.batch import lanes

pytestmark = pytest.mark.core

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
