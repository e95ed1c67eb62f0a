"""Compile once: what a second fit of the same model may change without compiling anything.

The unit is XLA's own: JAX reports each backend compilation to `jax.monitoring`. Programs are shared
by size class (`passes.layout`), the lengths up to each capacity of SIZES; longer data come in
chunks, whose program serves any length.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest

import nlsq
from nlsq import curve_fit, least_squares
from nlsq.core.passes.layout import CHUNKS, SIZES

pytestmark = pytest.mark.usefixtures("compiled", "quickly")

ROOT = Path(nlsq.__file__).parent.parent
_COMPILED = "/jax/core/compile/backend_compile_duration"
_log: list[str] = []
jax.monitoring.register_event_duration_secs_listener(lambda event, *_, **__: _log.append(event))


class Compilations:
    """Number of XLA compilations inside the block."""

    def __enter__(self):
        self._before = _log.count(_COMPILED)
        return self

    def __exit__(self, *_):
        self.count = _log.count(_COMPILED) - self._before


def decay(x, a, b, c):
    return a * np.exp(-b * x) + c


def data(m=60, a=2.0, b=0.7, c=0.3, seed=0):
    x = np.linspace(0.0, 5.0, m)
    return x, decay(x, a, b, c) + 0.01 * np.random.default_rng(seed).normal(size=m)


SIGMA = 0.01 * (1 + np.linspace(0, 1, 60))


@pytest.fixture(scope="module")
def warm():
    """One fit of each kind: the listener counts them, and they pay for the tests below."""
    nlsq.clear_cache()  # other files have models of the same content
    with Compilations() as first:
        curve_fit(decay, *data(), [1.0, 1.0, 0.0])
    curve_fit(decay, *data(), [1.0, 1.0, 0.0], sigma=SIGMA)
    curve_fit(decay, *data(), [1.0, 1.0, 0.0], bounds=(0, 9))
    return first.count


def test_a_first_fit_is_counted(warm):
    assert warm > 0


SAME = {
    "nothing": lambda: curve_fit(decay, *data(), [1.0, 1.0, 0.0]),
    "data": lambda: curve_fit(decay, *data(seed=1, a=3.0), [1.0, 1.0, 0.0]),
    "start": lambda: curve_fit(decay, *data(), [2.0, 0.5, 0.1]),
    "default start": lambda: curve_fit(decay, *data()),
    "a shorter length": lambda: curve_fit(decay, *data(13), [1.0, 1.0, 0.0]),
    "a longer length": lambda: curve_fit(decay, *data(1111), [1.0, 1.0, 0.0]),
    "the longest of its class": lambda: curve_fit(decay, *data(SIZES[0][1]), [1.0, 1.0, 0.0]),
    "lists": lambda: curve_fit(decay, *(list(v) for v in data()), [1, 1, 0]),
    "single precision data": lambda: curve_fit(decay, *(np.float32(v) for v in data()), [1, 1, 0]),
    "tolerances": lambda: curve_fit(decay, *data(), [1, 1, 0], ftol=1e-4, xtol=None, gtol=1e-5),
    "budget and scale": lambda: curve_fit(
        decay, *data(), [1, 1, 0], max_nfev=77, x_scale=[1, 2, 3], factor=0.5
    ),
    "absolute_sigma": lambda: curve_fit(
        decay, *data(), [1, 1, 0], sigma=SIGMA * 2, absolute_sigma=True
    ),
    "scalar sigma": lambda: curve_fit(decay, *data(), [1, 1, 0], sigma=0.5),
    "sigma of another length": lambda: curve_fit(decay, *data(30), [1, 1, 0], sigma=SIGMA[:30]),
    "bounds": lambda: curve_fit(decay, *data(), [1, 1, 0.5], bounds=([0, 0, 0.2], [9, 8, 7])),
    "one-sided bounds": lambda: curve_fit(decay, *data(), [1, 1, 0], bounds=(-1, np.inf)),
    "a fixed parameter": lambda: curve_fit(
        decay, *data(), [1, 1, 0.3], bounds=([0, 0, 0.3], [9, 9, 0.3])
    ),
    "five-tuple's numbers": lambda: curve_fit(decay, *data(), [1, 1, 0]).pcov,
}


@pytest.mark.parametrize("what", SAME)
def test_a_second_fit_compiles_nothing_with_other(what, warm):
    with Compilations() as second:
        SAME[what]()
    assert second.count == 0


def test_fixing_and_freeing_compiles_nothing():
    def straight(x, slope, level):
        return slope * x + level

    x = np.linspace(0, 1, 60)
    y = straight(x, 2.0, 0.5) + 0.01 * np.cos(40 * x)
    for bounds in ({}, {"level": (0, 9)}):
        curve_fit(straight, x, y, bounds=bounds)
        with Compilations() as later:
            for fixed in ("level", {"slope": 2}, {"slope": 2, "level": 0.5}, None):
                curve_fit(straight, x, y, [1.5, 0.5], bounds=bounds, fixed=fixed)
        assert later.count == 0


def test_an_equal_lambda_compiles_nothing():
    def make(k):
        return lambda x, a, b: a * np.sin(b * x) + k

    x = np.linspace(0.0, 3.0, 40)
    y = 2 * np.sin(1.1 * x) + 0.25
    curve_fit(make(0.25), x, y, [1.5, 1.0])
    with Compilations() as second:
        result = curve_fit(make(0.25), x, y, [1.5, 1.0])
    assert second.count == 0
    with Compilations() as other:
        moved = curve_fit(make(0.0), x, y - 0.25, [1.5, 1.0])
    assert other.count > 0  # another closure value is another model
    np.testing.assert_allclose(moved.popt, result.popt, rtol=1e-8)


class Oscillator:
    """A class as people write them: state, a property, a static method."""

    def __init__(self, phase):
        self._phase = phase

    @property
    def phase(self):
        return self._phase

    @staticmethod
    def wave(t):
        return np.cos(t)

    def model(self, x, a, b):
        return a * self.wave(b * x + self.phase)


def test_an_equal_object_compiles_nothing():
    x = np.linspace(0.0, 3.0, 40)
    y = 2 * np.cos(1.1 * x + 0.5)
    curve_fit(Oscillator(0.5).model, x, y, [1.5, 1.0])
    with Compilations() as second:
        curve_fit(Oscillator(0.5).model, x, y, [1.5, 1.0])
    assert second.count == 0


def test_callbacks_share_one_program(warm):
    def watch(nit, cost, p, info):
        return None

    curve_fit(decay, *data(), [1, 1, 0], callback=watch)
    with Compilations() as second:
        curve_fit(decay, *data(35), [2, 1, 0], callback=lambda nit, cost, p, info: True)
    assert second.count == 0


def test_residual_functions_share_by_content():
    def solve(x0, scale):
        def residual(p):
            return np.array([10 * (p[1] - p[0] ** 2), 1 - p[0]]) * scale

        return least_squares(residual, x0).x

    solve([-1.2, 1.0], 2.0)
    with Compilations() as second:
        np.testing.assert_allclose(solve([0.5, 2.0], 2.0), 1.0, rtol=1e-8)
    assert second.count == 0


def test_host_models_share_the_loop_whatever_the_model():
    def model(k):
        return lambda x, a, b, c: a * np.exp(-b * x) + c + k

    first = curve_fit(model(0.0), *data(), [1.0, 1.0, 0.0], jac="2-point")
    assert first.model_info.road == "host"
    with Compilations() as second:
        curve_fit(model(0.1), *data(33), [1.0, 1.0, 0.0], jac="3-point")
    assert second.count == 0


def test_large_lengths_share_their_class():
    def model(x, a, b, c):  # like no other test's, which may have been fitted to long data
        return 17.3 * a * np.exp(-b * x) + c

    (_, small), (_, large) = SIZES
    many = CHUNKS[0][1]
    for first, *others in [(small + 1, 10_000, large // 2), (many + 1, 3 * many)]:
        with Compilations() as compiled:
            curve_fit(model, *data(first), [0.1, 1.0, 0.0])
        assert compiled.count > 0  # the next class is another program
        with Compilations() as again:
            for m in others:
                curve_fit(model, *data(m), [0.1, 1.0, 0.0])
        assert again.count == 0


# ------------------------------------------------------------------------------ another process

_FIT = """
import json, sys
import jax
jax.config.update("jax_compilation_cache_dir", sys.argv[1])
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
events = []
jax.monitoring.register_event_listener(lambda event, **_: events.append(event))
import numpy as np
from nlsq import curve_fit

def model(x, a, b):
    return a * np.exp(-b * x)

x = np.linspace(0, 4, int(sys.argv[2]))
popt, _ = curve_fit(model, x, 2.5 * np.exp(-0.5 * x), [1.0, 1.0])
print(json.dumps({
    "popt": list(popt),
    "hits": events.count("/jax/compilation_cache/cache_hits"),
    "misses": events.count("/jax/compilation_cache/cache_misses"),
}))
"""


def _fit_in_a_process(cache: Path, m: int) -> dict:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", _FIT, str(cache), str(m)],
        capture_output=True, text=True, check=True, timeout=120, env=environment,
    )  # fmt: skip
    return json.loads(done.stdout)


def test_a_second_process_reads_its_programs_from_jaxs_cache(tmp_path):
    first = _fit_in_a_process(tmp_path, 50)
    assert first["misses"] > 0
    for length in (50, 77):
        second = _fit_in_a_process(tmp_path, length)
        assert second["misses"] == 0
        assert second["hits"] == first["misses"]
        np.testing.assert_allclose(second["popt"], [2.5, 0.5], rtol=1e-12)
    np.testing.assert_allclose(first["popt"], [2.5, 0.5], rtol=1e-12)
