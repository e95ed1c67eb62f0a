"""Data of which every pass takes long: sampled first, read in chunks, shared among the cores."""

import numpy as np
import pytest
from scipy import optimize

from nlsq import curve_fit
from nlsq.config import double_precision
from nlsq.core.drive import compiled, solve, staging
from nlsq.core.loop import programs
from nlsq.core.loop.state import DONE, Method, start_vector, state_packing
from nlsq.core.model.abscissae import Abscissae
from nlsq.core.passes.layout import CHUNKS, SLACK, choose_layout
from nlsq.core.passes.reduction import Sums
from nlsq.core.problem.observations import Observations

pytestmark = [pytest.mark.core, pytest.mark.usefixtures("compiled", "quickly")]

CHUNK = CHUNKS[0][0]
M = 4 * CHUNK + 12_345  # several chunks, the last one partly filled
P0 = (1.5, 0.9, 0.1)


def decay(x, a, b, c):
    return a * np.exp(-b * x) + c


def data(m=M, seed=0):
    rng = np.random.default_rng(seed)
    x = np.linspace(0.0, 5.0, m)
    return x, decay(x, 2.0, 0.7, 0.3) + 0.05 * rng.standard_normal(m)


def assert_same(result, popt, pcov, rtol=1e-6):
    errors = np.sqrt(np.diag(pcov))
    assert np.abs(result.popt - popt).max() <= rtol * errors.max()
    assert np.abs(result.pcov - pcov).max() <= 1e-5 * errors.max() ** 2


TIGHT = {"ftol": 1e-15, "xtol": 1e-15, "gtol": 1e-15}


@pytest.mark.parametrize("m", [M, 4 * CHUNK + 1])
def test_scipy_agrees(m):
    x, y = data(m)
    result = curve_fit(decay, x, y, P0)
    assert_same(result, *optimize.curve_fit(decay, x, y, P0, **TIGHT), 1e-5)
    assert result.nfev <= 6  # the sample brought it close


@pytest.mark.parametrize("offset", range(8))
def test_chunks_are_read_where_the_data_are(offset):
    x = np.arange(M + 8.0)[offset : offset + M]  # begins anywhere in a cache line
    observed = Observations(Abscissae(x, M), x + 0.5, None, None, None)
    facts = {"weighted": False, "whitened": False, "paired": False}
    layout = choose_layout(M, True, True, axes=(0,), treedef=observed.x.treedef, **facts)
    chunks = staging.Chunks(observed, layout)
    assert len(chunks) == 5
    for k in range(5):
        ((window,), y, _, _, (count, starts)), _ = chunks.arguments(k)
        there = x[k * CHUNK : (k + 1) * CHUNK]
        assert np.shares_memory(window, there)
        assert window.ctypes.data % 64 == 0 and window.size == layout.capacity + SLACK
        np.testing.assert_array_equal(window[starts[0] :][:count], there)
        np.testing.assert_array_equal(y[starts[1] :][:count], there + 0.5)


@pytest.mark.parametrize("shift", [1, 3, 7])
def test_the_answer_does_not_depend_on_where_the_data_lie(shift):
    x, y = data()
    reference = curve_fit(decay, x, y, P0)
    moved = [np.concatenate([np.full(k, np.nan), v])[k:] for k, v in ((shift, x), (2, y))]
    strided = [np.stack([v, v], axis=1)[:, 0] for v in (x, y)]
    for u, v in (moved, strided):
        result = curve_fit(decay, u, v, P0)
        assert np.array_equal(result.popt, reference.popt)
        assert np.array_equal(result.pcov, reference.pcov)


def test_copies_that_are_not_kept_change_nothing(monkeypatch):
    x, y = (np.stack([v, v], axis=1)[:, 0] for v in data())
    kept = curve_fit(decay, x, y, P0)
    monkeypatch.setattr(staging, "_LARGEST_COPY", 0)
    assert np.array_equal(curve_fit(decay, x, y, P0).popt, kept.popt)


@pytest.mark.parametrize("m", [100_000, M])
def test_a_sample_that_misleads_is_dropped(m):
    """A few points far outside hold most of the information; the sample has none of them."""
    x, y = data(m)
    x[-5:] = [50.0, 60.0, 70.0, 80.0, 90.0]
    y[-5:] = 4e4 * (x[-5:] / 50.0)

    def line(x, a, b):
        return a + b * np.sinh(x / 10)

    result = curve_fit(line, x, y, (1.0, 1.0))
    J = np.stack([np.ones(m), np.sinh(x / 10)], axis=1)
    expected = np.linalg.lstsq(J, y, rcond=None)[0]
    assert np.allclose(result.popt, expected, rtol=1e-9)


def _far_point(m=40_000):
    x = np.linspace(0.0, 1.0, m)
    y = np.exp(0.5 * x) + 2 * x + 0.01 * np.random.default_rng(0).standard_normal(m)
    x[-1], y[-1] = 300.0, 0.0
    return x, y


def growth(x, a, b, c):
    return a * np.exp(b * x) + c * x


def test_a_fit_that_drops_its_sample_begins_as_if_there_had_been_none(monkeypatch):
    """At the sample's answer a point outside it has a derivative of 1e65."""
    x, y = _far_point()
    p0 = (2.0, 0.001, 0.5)
    monkeypatch.setattr(solve.tries, "is_suspicious", lambda *_: False)  # one way from p0
    sampled = curve_fit(growth, x, y, p0)
    for module in (solve, compiled):
        monkeypatch.setattr(module, "MANY_POINTS", 1 << 30)
    plain = curve_fit(growth, x, y, p0)
    assert sampled.nfev == plain.nfev
    assert np.array_equal(sampled.popt, plain.popt)


def test_a_callback_does_not_see_a_sample_that_was_dropped():
    x, y = _far_point()
    p0, seen = (2.0, 0.001, 0.5), []
    curve_fit(growth, x, y, p0, callback=lambda nit, cost, p, info: seen.append((nit, *p)))
    assert seen[0] == (0, *p0)


def test_exact_data_need_no_more_passes_than_noisy_ones():
    x, _ = data()
    assert curve_fit(decay, x, decay(x, 2.0, 0.7, 0.3), P0).nfev <= 6


@pytest.mark.parametrize("method", ["trf", "dogbox"])
@pytest.mark.parametrize(
    "bounds",
    [
        ([0, 0, 0], [10, 10, 0.2]),
        ([0, 0.8, 0], [10, 10, 10]),
        ([2.05, 0, 0.35], [10, 10, 10]),
        ([0, 0, 0], [1.9, 10, 0.25]),
    ],
)
def test_active_bounds_take_at_most_two_passes_more(bounds, method):
    x, y = data(60_000)
    p0 = np.clip(P0, *bounds)
    result = curve_fit(decay, x, y, p0, bounds=bounds, method=method)
    assert result.nfev <= curve_fit(decay, x, y, P0).nfev + 2
    expected = optimize.curve_fit(decay, x, y, result.popt, bounds=bounds, **TIGHT)[0]
    np.testing.assert_allclose(result.popt, expected, rtol=2e-7)
    low, high = (np.array(bound) == result.popt for bound in bounds)
    assert np.array_equal(result.active_mask, np.where(low, -1, np.where(high, 1, 0)))
    assert (low | high).any()


@pytest.mark.parametrize("kind", ["int8", "int16", "int32", "bool", "float32"])
def test_small_items_are_read_where_they_belong(kind):
    m = 300_001
    t = np.random.default_rng(0).uniform(0, 9, m)
    t = (t > 4.5 if kind == "bool" else t.astype(kind))[1:]
    y = 2.0 * t + 1.0 + 0.01 * np.random.default_rng(1).standard_normal(m - 1)
    result = curve_fit(lambda x, a, b: a * x["t"] + b, {"t": t}, y, (1.0, 0.0))
    J = np.stack([t.astype(float), np.ones(m - 1)], axis=1)
    assert np.allclose(result.popt, np.linalg.lstsq(J, y, rcond=None)[0], rtol=1e-9)


def test_data_are_not_changed_and_threads_end():
    import threading

    x, y = data()
    before, threads = (x.copy(), y.copy()), threading.active_count()
    curve_fit(decay, x, y, P0)
    assert np.array_equal(x, before[0])
    assert np.array_equal(y, before[1])
    assert threading.active_count() == threads


def test_a_model_that_fails_in_a_pass_says_so():
    x, y = data()
    y[M // 2] = np.nan
    with pytest.raises(ValueError, match=f"index {M // 2}"):
        curve_fit(decay, x, y, P0, check_finite=False)


def test_passes_handed_over_ahead_change_nothing():
    """A callback is heard between passes, so that none is handed over before the last has ended."""
    x, y = data()
    ahead = curve_fit(decay, x, y, P0)
    one_by_one = curve_fit(decay, x, y, P0, callback=lambda nit, cost, p, info: None)
    assert np.array_equal(ahead.popt, one_by_one.popt)
    assert np.array_equal(ahead.pcov, one_by_one.pcov)
    assert ahead.nfev == one_by_one.nfev


@pytest.mark.parametrize("chunks", [1, 2, 8, 9, 40])
def test_chunks_are_added_in_their_order(chunks):
    rng = np.random.default_rng(chunks)
    G = rng.standard_normal((chunks, 3, 3)) * 10.0 ** rng.integers(-8, 8, (chunks, 1, 1))
    with double_precision():
        total = programs.add_up([Sums(None, g) for g in G])
    expected = G[0]
    for g in G[1:]:
        expected = expected + g
    assert np.array_equal(np.asarray(total.G), expected)


def test_a_state_that_is_done_stays_as_it_is():
    method = Method("trf", False, 2)
    state = start_vector([1.0, 2.0], method)
    state[state_packing(method).places.phase] = DONE
    with double_precision():
        step = programs.step_program(method)
        after = step(state, Sums(None, np.full((3, 3), np.nan)), np.ones(5 * 2 + 8))
    assert np.array_equal(after, state)
