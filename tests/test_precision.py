"""Bounds inferred from data, advice on how to fit, and the record of a fit's precision."""

import warnings

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy import optimize

import nlsq
from nlsq.core.drive import compiled, single
from nlsq.precision import AlgorithmSelector, PrecisionState, auto_select_algorithm
from nlsq.precision.bound_inference import (
    BoundInference,
    analyze_bounds_quality,
    infer_bounds,
    infer_bounds_for_multistart,
    merge_bounds,
)

INF = np.inf

# ------------------------------------------------------------------------------------- bounds

# name: (model, what each parameter is measured in as powers (of x, of y), true sizes in units of
# the span of x and of 1); a place is '@'
MODELS = {
    "decay": (lambda t, a, tau: a * np.exp(-t / tau), [(0, 1), (1, 0)], [1, 0.3]),
    "decay by rate": (lambda t, a, k, c: a * np.exp(-k * t) + c, [(0, 1), (-1, 0), (0, 1)],
                      [1, 3, 0.2]),
    "gaussian": (lambda x, a, mu, s: a * np.exp(-(((x - mu) / s) ** 2) / 2),
                 [(0, 1), "@", (1, 0)], [1, 0.4, 0.1]),
    "lorentzian": (lambda x, a, mu, w, c: a / (1 + ((x - mu) / w) ** 2) + c,
                   [(0, 1), "@", (1, 0), (0, 1)], [1, 0.6, 0.1, 0.3]),
    "logistic": (lambda t, K, r, t0: K / (1 + np.exp(-r * (t - t0))), [(0, 1), (-1, 0), "@"],
                 [1, 10, 0.5]),
    "michaelis": (lambda s, V, K: V * s / (K + s), [(0, 1), (1, 0)], [1, 0.3]),
    "hill": (lambda s, V, K, n: V * s**n / (K**n + s**n), [(0, 1), (1, 0), (0, 0)], [1, 0.4, 2]),
    "damped": (lambda t, a, k, w, p: a * np.exp(-k * t) * np.sin(w * t + p),
               [(0, 1), (-1, 0), (-1, 0), (0, 0)], [1, 2, 25, 0.5]),
    "stretched": (lambda t, a, tau, b: a * np.exp(-((t / tau) ** b)), [(0, 1), (1, 0), (0, 0)],
                  [1, 0.3, 0.7]),
    "root": (lambda x, D, c: np.sqrt(D * x) + c, [(-1, 2), (0, 1)], [1, 0.1]),
}  # fmt: skip


def of_units(model, sizes, ux, uy):
    """True values in units of x and y of these sizes."""
    measures = [(1, 0) if m == "@" else m for m in MODELS[model][1]]
    return np.array([s * ux**a * uy**b for s, (a, b) in zip(sizes, measures, strict=True)])


def answer(f, x, y, p):
    """SciPy's least squares answer from near the truth, and its standard errors."""
    size = np.where(p != 0, np.abs(p), 1)

    def residual(u):
        with np.errstate(all="ignore"):
            return np.nan_to_num((f(x, *(u * size)) - y) / np.ptp(y), nan=1e9, posinf=1e9)

    found = optimize.least_squares(residual, p / size, xtol=1e-15, ftol=1e-15, gtol=1e-15)
    _, S, Vt = np.linalg.svd(found.jac, full_matrices=False)
    if not S[-1] > 1e-10 * S[0]:
        return None
    errors = np.sqrt(((Vt.T / S) ** 2).sum(axis=1) * 2 * found.cost / (x.size - p.size))
    return found.x * size, errors * size


@settings(
    max_examples=30, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
@given(
    model=st.sampled_from(sorted(MODELS)),
    decades=st.lists(st.floats(-2, 2), min_size=4, max_size=4),
    ux=st.floats(-12, 12), uy=st.floats(-12, 12),
    noise=st.sampled_from([0.0, 1e-6, 1e-3, 0.03, 0.2]),
    off=st.lists(st.floats(-2, 2), min_size=4, max_size=4),
    m=st.sampled_from([15, 60, 300]), seed=st.integers(0, 99),
)  # fmt: skip
def test_inferred_bounds_contain_the_least_squares_answer(
    model, decades, ux, uy, noise, off, m, seed
):
    f, measures, sizes = MODELS[model]
    ux, uy = 10**ux, 10**uy
    factors = np.array([1.0 if i == "@" or i == (0, 0) else 10**d
                        for i, d in zip(measures, decades, strict=False)])  # fmt: skip
    truth = of_units(model, sizes * factors, ux, uy)
    x = np.linspace(0.01, 1, m) * ux
    y = f(x, *truth)
    y = y + noise * np.ptp(y) * np.random.default_rng(seed).standard_normal(m)
    if not np.ptp(y) > 1e-9 * np.abs(y).max():
        return  # nothing to fit
    found = answer(f, x, y, truth)
    p0 = truth * 10.0 ** np.array(off[: truth.size])
    low, high = infer_bounds(x, y, p0, f=f)
    assert (low <= p0).all() and (p0 <= high).all()
    if found is not None:
        p, error = found
        told = error < np.abs(p)
        assert ((low <= p) & (p <= high))[told].all(), (p, error, low, high)


def test_without_a_model_bounds_contain_every_measure():
    x, y = np.linspace(0, 5e-9, 40), 3e6 * np.exp(-np.linspace(0, 4, 40))
    low, high = infer_bounds(x, y, [1.0, 2e6, 1e-9])
    for size in (1e-9, 1e9, 3e6, 3e6 / 1e-9, 3e6 * 1e-18):
        assert (low < -size).all() and (size < high).all()
    with pytest.raises(ValueError, match="safety_factor must be a number from 1 on"):
        infer_bounds(x, y, [1.0], 0.5)
    with pytest.raises(ValueError, match="p0 must be finite"):
        infer_bounds(x, y, [np.nan])


def test_signs_are_kept_only_where_they_do_not_matter():
    t = np.linspace(0.01, 1, 60)
    gauss, hill = MODELS["gaussian"][0], MODELS["hill"][0]
    width = BoundInference(t, gauss(t, 1, 0.4, 0.1), [1, 0.4, 0.1], f=gauss).parameters[2]
    assert 0 < width.lower < 1e-3 and "sign changes nothing" in width.reason
    mirrored = BoundInference(t, gauss(t, 1, 0.4, 0.1), [1, 0.4, -0.1], f=gauss).parameters[2]
    assert (mirrored.lower, mirrored.upper) == (-width.upper, -width.lower)
    both = infer_bounds(t, gauss(t, 1, 0.4, 0.1), [1, 0.4, 0.1], 10, False, f=gauss)
    assert both[0][2] == -both[1][2]
    affinity = BoundInference(t, hill(t, 1, 0.4, 2.5), [1, 0.4, 2.5], f=hill).parameters[1]
    assert affinity.lower > 0 and "not defined" in affinity.reason
    rate = infer_bounds(t, np.exp(2 * t), [1, 1], f=lambda t, a, k: a * np.exp(-k * t))
    assert rate[0][1] < -2  # growth is a decay of the other sign
    starts = infer_bounds_for_multistart(t, gauss(t, 1, 0.4, 0.1), [1, 0.4, 0.1],
                                         ([-1, 0, -INF], [1, INF, INF]), f=gauss)  # fmt: skip
    assert starts[0].tolist()[:2] == [-1, 0] and starts[1][0] == 1 and starts[1][1] < 25


def test_the_users_bounds_outrank():
    low, high = merge_bounds(([1, -5, 2], [9, 5, 3]), ([-INF, 0, -INF], [INF, INF, 1]))
    assert low.tolist() == [1, 0, -INF] and high.tolist() == [9, 5, 1]
    found = analyze_bounds_quality((low, high), [0, 1, 0])
    assert found["p0_inside"].tolist() == [False, True, True] and found["unbounded"] == 1
    np.testing.assert_allclose(found["decades"], [np.log10(9), INF, INF])


# -------------------------------------------------------------------------------- auto_bounds

T = np.linspace(0.01, 1, 60)
PEAK = MODELS["gaussian"][0]
Y = PEAK(T, 2.0, 0.4, 0.1) + 0.01 * np.cos(40 * T)
P0 = [1.0, 0.5, 0.2]


@pytest.fixture
def by_numpy(monkeypatch):
    monkeypatch.setenv("NLSQ_BACKEND", "numpy")


AUTO = {"auto_bounds": True}
CALLS = {
    "curve_fit": lambda **how: nlsq.curve_fit(PEAK, T, Y, **AUTO, **how),
    "CurveFit": lambda **how: nlsq.CurveFit(**AUTO).curve_fit(PEAK, T, Y, **how),
    "fit": lambda **how: nlsq.fit(PEAK, T, Y, **AUTO, **how),
    "a search": lambda **how: nlsq.curve_fit(PEAK, T, Y, **AUTO, multistart=True, **how),
    "the reference": lambda **how: nlsq.curve_fit(PEAK, T, Y, **AUTO, **how),
    "the reference, with company": lambda **how: nlsq.curve_fit(
        PEAK, T, Y, **AUTO, multistart=True, compute_diagnostics=True, **how
    ),
}


@pytest.mark.parametrize("call", CALLS)
def test_auto_bounds_keep_the_answer_and_stand_in_the_result(call, by_numpy, monkeypatch):
    if "the reference" in call:
        monkeypatch.setenv("NLSQ_SELECTOR_IMPL", "old")
    how = {"p0": {"a": 1, "mu": 0.5, "s": 0.2}, "bounds": {"mu": (0, 1)}}
    plain = nlsq.curve_fit(PEAK, T, Y, **how)
    fit = CALLS[call](**how)
    np.testing.assert_allclose(fit.popt, plain.popt, rtol=1e-9)
    np.testing.assert_allclose(fit.pcov, plain.pcov, rtol=1e-7)
    low, high = fit.bounds
    assert (low[1], high[1]) == (0, 1) and np.isinf([low[0], high[0]]).all()
    inferred = fit.get("inferred_bounds")
    assert set(inferred) == {"a", "s"} and not inferred["s"]["released"] and not fit.warnings
    assert inferred["a"]["lower"] is None and "enters linearly" in inferred["a"]["reason"]
    assert (inferred["s"]["lower"], inferred["s"]["upper"]) == (low[2], high[2])
    assert f"s in [{low[2]:.3g}, {high[2]:.3g}]" in fit.summary()
    again = type(fit).from_json(fit.to_json())
    assert again.get("inferred_bounds") == inferred


def test_an_inferred_bound_gives_way_to_the_data(by_numpy, monkeypatch):
    monkeypatch.setattr(BoundInference, "reach", 0.05)  # far too near
    plain = nlsq.curve_fit(PEAK, T, Y, P0)
    with pytest.warns(nlsq.OptimizeWarning, match="s left the bounds that were inferred"):
        fit = nlsq.curve_fit(PEAK, T, Y, P0, auto_bounds=True, bounds_safety_factor=1)
    np.testing.assert_allclose(fit.popt, plain.popt, rtol=1e-8)
    assert fit.inferred_bounds["s"]["released"] and np.isinf(fit.bounds[0][2])
    assert "s released" in fit.summary() and not fit.at_bound


def test_nothing_inferred_is_told(by_numpy):
    data = {"t": T}
    y = 2 * np.exp(-3 * T)
    fit = nlsq.curve_fit(lambda d, a, k: a * np.exp(-k * d["t"]), data, y, auto_bounds=True)
    assert "bounds  inferred: none" in fit.summary() and np.isinf(fit.bounds).all()
    assert fit.inferred_bounds["k"]["reason"] == "nothing tells what it is measured in"


def test_bounds_mend_a_fit_that_goes_astray(by_numpy):
    hill = MODELS["hill"][0]
    y = noisy(hill(T, 1.0, 0.4, 2.0))
    p0 = [0.01, 0.0027, 53.0]
    with pytest.warns(nlsq.OptimizeWarning, match="no step lowered the cost"):
        lost = nlsq.curve_fit(hill, T, y, p0)
    found = nlsq.curve_fit(hill, T, y, p0, auto_bounds=True)
    np.testing.assert_allclose(found.popt, [1, 0.4, 2], rtol=0.1)
    assert found.cost < 0.01 * lost.cost


@pytest.mark.parametrize(
    ("how", "error", "words"),
    [
        ({"auto_bounds": 1}, TypeError, "auto_bounds must be True or False, got 1"),
        ({"bounds_safety_factor": 5}, TypeError, "is for auto_bounds=True: add it"),
        (AUTO | {"bounds_safety_factor": 0.1}, ValueError, "from 1 on, got 0.1"),
        (AUTO | {"bounds_safety_factor": "x"}, TypeError, "must be a number, got 'x'"),
        (AUTO | {"method": "lm"}, ValueError, "takes no bounds: use 'trf'"),
    ],
)
def test_bad_wishes_for_bounds(how, error, words):
    with pytest.raises(error, match=words):
        nlsq.curve_fit(PEAK, T, Y, P0, **how)


def test_calls_that_infer_no_bounds_say_so():
    with pytest.raises(ValueError, match=r"looks at data in memory. .*precision.infer_bounds"):
        nlsq.fit(PEAK, T, Y, P0, workflow="chunked", **AUTO)
    with pytest.raises(TypeError, match=r"fit_many.. has no option 'auto_bounds'"):
        nlsq.fit_many(PEAK, T, Y[None], P0, **AUTO)
    with pytest.raises(TypeError, match=r"least_squares.* 'auto_bounds'. It is one of `curve_fit`"):
        nlsq.least_squares(lambda p: p, [1.0], **AUTO)


# -------------------------------------------------------------------------------------- advice


def noisy(y, share=0.01, seed=0):
    return y + share * np.ptp(y) * np.random.default_rng(seed).standard_normal(y.size)


def hit(y, *at):
    y = y.copy()
    y[list(at)] += np.ptp(y)
    return y


def steps(t, a, k):
    return a * np.floor(k) * t + 1


DECAY = MODELS["decay"][0]
WAVE = MODELS["damped"][0]
E = noisy(DECAY(T, 2.0, 0.3))
ADVICE = {  # (model, y, p0, what is advised, the truth)
    "nothing": (DECAY, E, [1, 0.5], {}, [2, 0.3]),
    "exact data": (DECAY, DECAY(T, 2.0, 0.3), [1, 0.5], {"ftol": 1e-12, "xtol": 1e-12}, [2, 0.3]),
    "outliers": (DECAY, hit(E, 20, 41), [1, 0.5], {"loss": "cauchy"}, [2, 0.3]),
    "a poor start": (WAVE, noisy(WAVE(T, 2, 2, 25, 0.5)), [9, 1, 3, 0], {"method": "global"},
                     [2, 2, 25, 0.5]),
    "no start for a line": (lambda t, a, b: a * t + b, noisy(9 * T + 7), None, {}, [9, 7]),
    "a start by name": (DECAY, E, {"tau": 0.5}, {}, [2, 0.3]),
    "no start": (DECAY, E, None, {}, [2, 0.3]),
    "no start that is good": (WAVE, noisy(WAVE(T, 2, 2, 25, 0.5)), None, {"method": "global"},
                              [2, 2, 25, 0.5]),
    "jumps": (steps, steps(T, 2, 4.0), [2.0, 1.5], {"method": "cmaes"}, [2, 4]),
    "a silent parameter": (PEAK, noisy(Y), [0.0, 0.5, 0.2],
                           {"x_scale": [1.0, 0.5, 0.2], "method": "global"}, [2, 0.4, 0.1]),
}  # fmt: skip


@pytest.mark.parametrize("what", ADVICE)
def test_advice_can_be_passed_on_and_helps(what, by_numpy):
    f, y, p0, wanted, truth = ADVICE[what]
    advice = auto_select_algorithm(f, T, y, p0)
    assert wanted.items() <= advice.items() and advice.call == "curve_fit"
    others = {"ftol", "xtol"} | ({"f_scale"} if "loss" in wanted else set())
    assert set(advice) == set(wanted) | others
    assert advice.keys() == advice.reasons.keys() and all(advice.reasons.values())
    told = AlgorithmSelector().get_algorithm_explanation(advice)
    assert all(name in told and reason in told for name, reason in advice.reasons.items())
    with warnings.catch_warnings():
        if what == "jumps":  # which leave a parameter open
            warnings.simplefilter("ignore", nlsq.OptimizeWarning)
        fit = nlsq.curve_fit(f, T, y, p0, **advice)
    if what == "outliers":  # which the plain fit follows
        plain = nlsq.curve_fit(f, T, y, p0)
        assert (np.abs(fit.popt - truth) < 0.3 * np.abs(plain.popt - truth)).all()
    else:
        assert 2 * fit.cost <= np.sum((f(T, *truth) - y) ** 2) + 1e-20


def test_advice_by_size_and_by_preference():
    selector = AlgorithmSelector()
    analysis = selector.analyze_problem(DECAY, T, hit(E, 20), [1, 0.5], memory_limit_gb=1e-6)
    advice = selector.select_algorithm(analysis)
    assert (advice["workflow"], advice.call) == ("chunked", "fit")
    assert "of the 8e-07 GB allowed" in advice.reasons["workflow"]
    fit = nlsq.fit(DECAY, T, hit(E, 20), [1, 0.5], show_progress=False, **advice)
    np.testing.assert_allclose(fit.popt, [2, 0.3], rtol=0.05)
    many = analysis._replace(n_params=800, data_bytes=10**9, n_points=10**9, usable_bytes=10**8)
    assert selector.select_algorithm(many)["workflow"] == "streaming"
    held = selector.select_algorithm(many._replace(usable_bytes=10**10))
    assert held["tr_solver"] == "cg" and "workflow" not in held
    wished = selector.select_algorithm(analysis._replace(unexplained=9.0), {"method": "lm"})
    assert "loss" not in wished and "multistart" not in wished
    assert wished.reasons["method"] == "it was asked for"
    wild = selector.analyze_problem(lambda t, a: np.log(t - a), T, E, {"a": 9}, {"a": (0, None)})
    assert "not finite" in selector.select_algorithm(wild).reasons["method"]
    for wrong, words in (((DECAY, T, E * np.nan), "`ydata`"), (("a*x", T, E), "models.read"),
                         ((DECAY, T, E, "auto"), "must be numbers")):  # fmt: skip
        with pytest.raises((TypeError, ValueError), match=words):
            auto_select_algorithm(*wrong)
    tiny = 1e-12 * T
    flat = auto_select_algorithm(PEAK, tiny, PEAK(tiny, 2, 4e-13, 1e-13), [1, 1, 1])
    assert flat["method"] == "global"  # though it is straight where all grow alike
    with pytest.raises(ValueError, match="does not name its parameters: give p0"):
        auto_select_algorithm(lambda t, *p: t, T, E)


# --------------------------------------------------------------------- which numbers a fit used


def running_sum(t, a, tau, c):
    """A model that couples points, so that no sample stands for it."""
    k = np.exp(-t / tau)
    return a * np.cumsum(k) / k.size + c


X = np.linspace(0, 5, 3000)
SUMS = noisy(running_sum(X, 2.0, 0.7, 0.3), 1e-3)


@pytest.fixture
def slow_doubles(monkeypatch, quickly):
    monkeypatch.setattr(single, "double_is_slow", lambda: "a device of the test")
    monkeypatch.setattr(single, "HEAVY", 0)
    monkeypatch.setattr(compiled, "_LONG_PASS", (1 << 18, 0))


def states(fit):
    assert all(one["reason"] for one in fit.precision)
    return [one["state"] for one in fit.precision]


HOW = {"backend": "jax", "sigma": np.linspace(1, 2, X.size), "loss": "huber"}


def test_a_start_in_single_precision_changes_no_digit(slow_doubles, monkeypatch):
    how = HOW | {"f_scale": 1e-3}
    fit = nlsq.curve_fit(running_sum, X, SUMS, [1, 1, 0], **how)
    assert states(fit) == ["single", "double", "exact"] and fit.nfev < 8
    assert "a device of the test" in fit.precision[0]["reason"]
    monkeypatch.setattr(single, "double_is_slow", lambda: "")
    plain = nlsq.curve_fit(running_sum, X, SUMS, [1, 1, 0], **how)
    assert (
        states(plain) == ["double", "exact"] and "not much faster" in plain.precision[0]["reason"]
    )
    np.testing.assert_allclose(fit.popt, plain.popt, rtol=1e-10)
    np.testing.assert_allclose(fit.pcov, plain.pcov, rtol=1e-9)
    np.testing.assert_array_equal(fit.p0, plain.p0)


def test_an_attempt_that_fails_leaves_the_start(slow_doubles):
    for unit, told in (1e60, "1 pass in single precision did not converge: from p0"), (1e-60, ""):
        how = HOW | {"f_scale": 1e-3 * unit}
        fit = nlsq.curve_fit(running_sum, X, unit * SUMS, [unit, 1, 0], **how)
        assert states(fit) == ["single", "double", "exact"] and told in fit.precision[1]["reason"]
        np.testing.assert_allclose(fit.popt, [2 * unit, 0.7, 0.3 * unit], rtol=1e-2)


def test_the_record_of_a_fit_by_numpy_and_its_storage(by_numpy):
    fit = nlsq.curve_fit(PEAK, T, Y, P0)
    assert states(fit) == ["double", "exact"] and "NumPy computes" in fit.precision[0]["reason"]
    assert list(type(fit).from_json(fit.to_json()).precision) == list(fit.precision)
    stopped = nlsq.curve_fit(PEAK, T, Y, P0, callback=lambda *_: False)
    assert states(stopped) in (["double"], ["double", "exact"])


def test_the_record_of_many_fits(by_numpy):
    for dtype, state in ((np.float64, "double"), (np.float32, "single")):
        fit = nlsq.fit_many(PEAK, T, Y[None], P0, dtype=dtype, backend="numpy", progress=False)[0]
        assert states(fit) == [state] and np.dtype(dtype).name in fit.precision[0]["reason"]


def test_devices_whose_doubles_are_slow(monkeypatch):
    import jax

    def device(kind):
        return type("Device", (), {"platform": "gpu", "device_kind": kind})()

    for kind, slow in {
        "NVIDIA A100-SXM4-80GB": False, "NVIDIA H200": False, "AMD Instinct MI250X": False,
        "NVIDIA GeForce RTX 4090": True, "NVIDIA RTX A3000": True, "TPU v4": True,
    }.items():  # fmt: skip
        monkeypatch.setattr(nlsq.device, "_on_cpu", lambda: False)
        monkeypatch.setattr(jax, "devices", lambda kind=kind: [device(kind)])
        assert nlsq.device.double_is_slow() == (kind if slow else "")


def test_a_record_goes_no_way_that_no_fit_goes():
    state = PrecisionState("single", "a device")
    state.advance("double", "it converged")
    for wrong in ("sample", "single", "double"):
        with pytest.raises(ValueError, match=f"goes on to 'exact', not to '{wrong}'"):
            state.advance(wrong, "?")
    state.advance("exact", "pivot 1")
    with pytest.raises(ValueError, match="goes on to no other"):
        state.advance("double", "?")
    with pytest.raises(ValueError, match="A fit goes on to 'single' or 'sample' or 'double'"):
        PrecisionState("exact", "?")
    assert [one["state"] for one in state.told()] == ["single", "double", "exact"]
