"""Fits that fail, the remedies that mend them, and what is told of those that none does.

The data are without noise, so that the parameters they were made from are the answer.
"""

import inspect
import pickle
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import numpy as np
import pytest
import scipy.optimize

import nlsq
from nlsq import FitError, OptimizeWarning, curve_fit
from nlsq.core.algebra import dense
from nlsq.result import StartError
from nlsq.stability import fallback, recovery, svd_fallback
from nlsq.stability.fallback import FallbackOrchestrator, FallbackStrategy
from nlsq.stability.recovery import OptimizationRecovery
from nlsq.stability.robust_decomposition import RobustDecomposition
from nlsq.stability.svd_fallback import compute_svd_with_fallback, randomized_svd
from nlsq.utils.warned import kept_warnings

X = np.linspace(0, 10, 80)


@pytest.fixture(scope="module", autouse=True)
def by_numpy():
    """What does not ask for programs buys none."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NLSQ_BACKEND", "numpy")
        yield


def decay(x, a, k, c):
    return a * np.exp(-k * x) + c


def growth(x, a, k):
    return a * np.exp(k * x)


def gauss(x, a, m, s):
    return a * np.exp(-((x - m) ** 2) / (2 * s * s))


def logistic(x, a, k, m):
    return a / (1 + np.exp(-k * (x - m)))


def sine(x, a, w, p):
    return a * np.sin(w * x + p)


def shifted_log(x, a, c):
    return a * np.log(x - c)


def nowhere(x, a):
    return np.log(-1 - a * a) + 0 * x


TRUE = {
    decay: [3, 0.7, 1], growth: [3, -0.011], gauss: [4, 6, 0.8], logistic: [5, 2, 4],
    sine: [2, 1.7, 0.5], shifted_log: [2, -3],
}  # fmt: skip
LONG = np.linspace(0, 800, 40)
FEW = {"p0": [100, 50, -20]}  # from where a decay takes some ten evaluations
BESIDE = {"p0": [-1.1, 1.4, 0.3]}  # a peak that misses the data's
# how a fit fails: model, x, options; what is told of it, the only remedies (None: all), which mends
MENDED = {
    "few evaluations": (decay, X, FEW | {"max_nfev": 8}, "maximum number", None, "tolerances"),
    "and again": (decay, X, FEW | {"max_nfev": 6}, "maximum number", None, "tolerances"),
    "overflow at the start": (growth, LONG, {}, "not finite", None, "start"),
    "NaN at the start": (shifted_log, X + 1, {"p0": [1, 5]}, "not finite", None, "start"),
    "no step": (gauss, X, {"p0": [-9.5, 98, 1.4]}, "no progress", None, "start"),
    "another period": (
        sine, X, {"p0": [152.6, 2.5, 0.1]}, "alike", [fallback.PerturbInitialGuessStrategy],
        "start",
    ),
    "a method": (gauss, X, BESIDE, "nearer", None, "method"),
    "under a loss": (gauss, X, BESIDE | {"loss": "huber", "f_scale": 0.1}, "alike", None, "scales"),
    "scales": (gauss, X, BESIDE, "nearer", [fallback.RescaleProblemStrategy], "scales"),
    "a robust start": (
        gauss, X, BESIDE, "nearer", [fallback.UseRobustLossStrategy], "robust loss",
    ),
    "bounds": (
        logistic, X, {"p0": [28.9, 35.6, 9.6]}, "alike", [fallback.AddParameterBoundsStrategy],
        "bounds",
    ),
}  # fmt: skip


def data_of(name):
    model, x, how, why, only, used = MENDED[name]
    way = FallbackOrchestrator([make() for make in only]) if only else True
    return model, x, model(x, *TRUE[model]), how | {"fallback": way}, why, used


@pytest.mark.parametrize("name", MENDED)
def test_a_remedy_brings_the_right_answer(name):
    model, x, y, how, why, used = data_of(name)
    fit = curve_fit(model, x, y, **how)
    popt = np.abs(fit.popt) if model is gauss else fit.popt  # a width has no sign
    assert popt == pytest.approx(TRUE[model], rel=1e-6)
    assert fit.success and fit.loss == how.get("loss", "linear") and np.isinf(fit.bounds).all()
    told = fit.fallback
    assert told.recovered and told.strategy_used == used and why in told.why
    assert told.attempts == len(told.tried) + 1
    assert [one.kept for one in told.tried] == [False] * (len(told.tried) - 1) + [True]
    assert told.tried[-1].cost == fit.cost and told.describe() in " ".join(fit.summary().split())
    if used == "start":  # by draws, of which nothing is left to chance
        again = curve_fit(model, x, y, **how)
        assert again.fallback == told and (again.popt == fit.popt).all()


# -------------------------------------------------------------------------- where nothing helps

LOST = {  # model, y, what is raised
    "a wrong model": (lambda x, a, b: a * (x - 5) + b, (X - 5) ** 2, None),
    "no evaluations": (decay, decay(X, 3, 0.7, 1), FitError),
    "nowhere finite": (nowhere, X, StartError),
}


@pytest.mark.parametrize("name", LOST)
def test_a_failure_that_nothing_mends_is_told_as_it_was(name):
    model, y, error = LOST[name]
    how = {"p0": [100, 50, -20], "max_nfev": 1} if error is FitError else {}
    if error is None:
        plain, fit = (curve_fit(model, X, y, fallback=way, **how) for way in (False, True))
    else:
        with pytest.raises(error) as first:
            curve_fit(model, X, y, **how)
        with pytest.raises(error) as raised:
            curve_fit(model, X, y, fallback=True, **how)
        plain, fit = first.value.result, raised.value.result
        assert str(first.value) == str(raised.value)
        assert raised.value.__notes__[-1] == f"fallback: {fit.fallback.describe()}"
    assert (plain.x == fit.x).all() and plain.status == fit.status
    told = fit.fallback
    assert not told.recovered and told.strategy_used is None and told.why
    assert told.describe().endswith("none gave a better end")
    if error is None:
        assert len(told.tried) == 8 and {one.gave for one in told.tried} == {"the same end"}
        assert "8 remedies did not mend it" in " ".join(fit.summary().split())


def test_a_better_end_is_kept_though_it_is_doubtful_too():
    """Of two wrong ends the lower one is the better answer of the same problem."""
    y = sine(X, 2, 1.7, 0.5) + sine(X, 1.2, 5, 0)
    search = FallbackOrchestrator([fallback.PerturbInitialGuessStrategy()])
    plain, fit = (curve_fit(sine, X, y, p0=[1, 9, 0], fallback=way) for way in (False, search))
    assert fit.cost < plain.cost and fit.fallback.strategy_used == "start"
    assert not fit.fallback.recovered and "did not mend" in fit.summary()


def test_a_stop_from_outside_ends_the_table():
    calls = []

    def stop(iteration, cost, params, info):
        calls.append(iteration)
        return len(calls) < 12

    with pytest.raises(FitError) as raised:
        curve_fit(
            decay, X, decay(X, 3, 0.7, 1), p0=[100, 50, -20], max_nfev=4, callback=stop,
            fallback=FallbackOrchestrator([fallback.AlternativeMethodStrategy()] * 9, 30),
        )  # fmt: skip
    tried = raised.value.result.fallback.tried
    assert tried[-1].status == -2 and len(tried) < 18
    assert "callback" in tried[-1].gave


def test_the_time_limit_is_of_all_attempts_together(monkeypatch):
    given = []

    def slow(f, x, y, time_limit=None, **how):
        given.append(time_limit)
        return curve_fit(f, x, y, time_limit=time_limit, **how)

    hands = iter(range(0, 1000, 4))
    clock = SimpleNamespace(monotonic=lambda: next(hands))
    monkeypatch.setattr(recovery, "time", clock)
    monkeypatch.setattr(fallback, "time", clock)
    FallbackOrchestrator().fit_by(slow, LOST["a wrong model"][0], X, (X - 5) ** 2,
                                  {"time_limit": 10.0})  # fmt: skip
    assert given == [10.0, 6.0, 2.0, 1e-9]  # the last is stopped at once, and with it the table


# ------------------------------------------------------------------------------ healthy fits


class Counted:
    def __init__(self, model):
        self.model, self.calls, self.__name__ = model, 0, model.__name__

    def __call__(self, x, a, k, c):
        self.calls += 1
        return self.model(x, a, k, c)


def test_a_healthy_fit_calls_nothing_more():
    noisy = decay(X, 3, 0.7, 1) + 0.3 * np.cos(40 * X)
    model, counts, fits = Counted(decay), [0], []
    for way in (False, False, True):  # of which the first learns what the model is
        fits.append(curve_fit(model, X, noisy, fallback=way))
        counts.append(model.calls)
    _, plain, fit = fits
    assert counts[3] - counts[2] == counts[2] - counts[1] and (plain.popt == fit.popt).all()
    assert fit.fallback.attempts == 1 and fit.fallback.describe() == "no fallback was needed"
    assert "remedy  no fallback was needed" in fit.summary() and "remedy" not in plain.summary()
    held = curve_fit(decay, X, noisy, fixed={"a": 1, "k": 9, "c": 0}, fallback=True)
    assert not held.fallback.tried


def test_noise_alone_is_no_failure():
    """Data that no model explains show nothing more."""
    y, x = np.random.default_rng(3).normal(size=200), np.arange(200.0)
    fit = curve_fit(lambda x, a, b: a * x + b, x, y, fallback=True)
    assert fit.r_squared < 0.1 and fit.fallback.attempts == 1
    y += 0.1 * x
    y[::17] += 200  # which a robust fit leaves
    fit = curve_fit(lambda x, a, b: a * x + b, x, y, loss="cauchy", fallback=True)
    assert fit.r_squared < 0.1 and fit.fallback.attempts == 1


# -------------------------------------------------------------------- the caller's own problem


def test_the_answer_is_of_the_callers_problem():
    """A robust fit was the start; the answer is SciPy's of the plain sum of squares."""
    y = gauss(X, 4, 6, 0.8) + 0.2 * np.random.default_rng(3).normal(size=80)
    y[[7, 30, 47, 71]] += [1, -1, 1, 1.5]
    robust = FallbackOrchestrator([fallback.UseRobustLossStrategy()])
    fit = curve_fit(gauss, X, y, **BESIDE, fallback=robust)
    assert fit.fallback.recovered and "as a start" in fit.fallback.tried[0].changed
    popt, pcov = scipy.optimize.curve_fit(gauss, X, y, p0=fit.popt, ftol=1e-12, xtol=1e-12)
    assert fit.popt == pytest.approx(popt, rel=1e-5) and fit.pcov == pytest.approx(pcov, abs=1e-8)


def test_what_is_said_by_name_holds_in_every_attempt():
    y, seen = gauss(X, 4, 6, 0.8), []

    def watched(f, x, y, **how):
        seen.append(curve_fit(f, x, y, **how))
        return seen[-1]

    how = {"p0": {"a": -1.1, "m": 1.4, "s": 0.3}, "fixed": ["s"], "bounds": {"a": (None, 2)},
           "x_scale": {"m": 0.1}, "max_nfev": 60}  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", OptimizeWarning)
        FallbackOrchestrator().fit_by(watched, gauss, X, y, how)
    assert len(seen) > 5
    for fit in seen:
        assert fit["s"] == 0.3 and fit.fixed == ("s",) and fit["a"] <= 2 >= fit.bounds[1][0]


def test_bounds_that_a_models_guess_brought_stay():
    class Guessing:
        def __call__(self, x, a, m, s):
            return gauss(x, a, m, s)

        def guess(self, x, y):
            return BESIDE["p0"]

        def bounds(self):
            return [-9, 0, 0.1], [9, 10, 3]

    moved = FallbackOrchestrator([fallback.PerturbInitialGuessStrategy()])
    fit = curve_fit(Guessing(), X, gauss(X, 4, 6, 0.8), fallback=moved)
    assert fit.fallback.attempts == 3 and fit.bounds[1].tolist() == [9, 10, 3]


def test_warnings_are_those_of_the_end_that_is_kept_at_the_callers_line():
    model, x, y, how, *_ = data_of("a method")
    curve_fit(model, x, y, **how)  # the first end would warn, and warnings are errors here
    with pytest.warns(OptimizeWarning) as caught:
        curve_fit(lambda x, a, b: a * b * x, X, X, fallback=True)
    assert [w.filename for w in caught] == [__file__]


# -------------------------------------------------------------------------- calls and records


def test_fits_at_once_leave_the_filters_as_they_were():
    """Of which the first to begin ends first."""
    before, both, left = list(warnings.filters), threading.Barrier(2), threading.Event()

    def told(name):
        if name == "second":
            both.wait()
        with kept_warnings() as notes:
            if name == "first":
                both.wait()
                both.wait()
            else:
                both.wait()
                left.wait()
            warnings.warn(name, stacklevel=1)
        left.set()
        return [str(note.message) for note in notes]

    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(told, ("first", "second"))) == [["first"], ["second"]]
    assert warnings.filters == before


def test_every_call_knows_the_word_or_says_why_not():
    y = decay(X, 3, 0.7, 1)
    assert nlsq.CurveFit(fallback=True).curve_fit(decay, X, y).fallback.attempts == 1
    assert nlsq.fit(decay, X, y, fallback=True).fallback.attempts == 1
    assert "fallback" not in nlsq.fit(decay, X, y, fallback=False)
    pieces = {"workflow": "chunked", "show_progress": False}
    assert "fallback" not in nlsq.fit(decay, X, y, [1, 1, 1], fallback=False, **pieces)
    *_, info, _, status = curve_fit(decay, X, y, fallback=True, full_output=True)
    assert info["fallback"].attempts == 1 and status > 0
    refused = {
        "from one start": lambda: curve_fit(decay, X, y, fallback=True, multistart=True),
        "in memory, and": lambda: curve_fit(decay, iter([(X, y)]), fallback=True),
        "in pieces": lambda: nlsq.fit(decay, X, y, workflow="chunked", fallback=True),
        "one fit": lambda: nlsq.fit_many(decay, X, y[None], fallback=True),
        "made again": lambda: nlsq.least_squares(lambda p: p, [1.0], fallback=True),
        "a bool": lambda: curve_fit(decay, X, y, fallback="yes"),
        "max_attempts=": lambda: curve_fit(decay, X, y, max_fallback_attempts=3),
        "a tuple": lambda: FallbackOrchestrator().fit_with_fallback(decay, X, y, full_output=True),
        "the call itself": lambda: FallbackOrchestrator(max_attempts=0),
    }
    for words, call in refused.items():
        with pytest.raises((TypeError, ValueError), match=words):
            call()


def test_every_word_of_the_call_reaches_the_attempts():
    """One that is left out would be ignored where `fallback` is given."""

    class Seen(FallbackOrchestrator):
        def fit_by(self, fit, f, xdata, ydata, kwargs):
            return kwargs

    known = inspect.signature(curve_fit).parameters
    own = {name for name, one in known.items() if one.kind is not one.VAR_KEYWORD}
    given = curve_fit(decay, X, X, loss="huber", fallback=Seen())
    assert given.keys() == own - {"f", "xdata", "ydata", "full_output", "fallback"} | {"loss"}


def test_the_record_travels():
    model, x, y, how, *_ = data_of("few evaluations")
    fit = curve_fit(model, x, y, **how)
    assert pickle.loads(pickle.dumps(fit)).fallback == fit.fallback
    stored = nlsq.CurveFitResult.from_dict(fit.to_dict())
    assert stored.fallback.describe() == fit.fallback.describe()
    assert stored.fallback.strategy_used == "tolerances" and stored.summary()


def test_a_strategy_of_ones_own_and_the_statistics(capsys):
    class Search(FallbackStrategy):
        def apply(self, kwargs):
            return kwargs | {"method": "multistart"}

    ways = [Search("search", "a search", 99), fallback.RescaleProblemStrategy()]
    orchestrator = FallbackOrchestrator(ways, verbose=True)
    y = gauss(X, 4, 6, 0.8)
    found = orchestrator.fit_with_fallback(gauss, X, y, p0=[1, 1, 0.01])
    assert found.strategy_used == "search" and found.attempts == 2
    assert found.result.popt[:2] == pytest.approx([4, 6])
    assert capsys.readouterr().out.startswith("a search: converged")
    orchestrator.fit_with_fallback(gauss, X, y, p0=[3, 5, 1])
    assert orchestrator.get_statistics() == {
        "fits": 2, "failed": 1, "recovered": 1, "attempts": 3, "by_strategy": {"search": 1},
    }  # fmt: skip
    with pytest.raises(TypeError, match="define apply"):
        FallbackStrategy("nothing", "nothing").apply({})


def test_max_attempts_counts_the_call_itself():
    model, y, _ = LOST["a wrong model"]
    fit = curve_fit(model, X, y, fallback=FallbackOrchestrator(max_attempts=4))
    assert fit.fallback.attempts == 4


def test_an_optimiser_of_ones_own_is_mended():
    def valley(p):
        return [10 * (p[1] - p[0] ** 2), 1 - p[0]]

    def solve(p0, **how):
        return scipy.optimize.least_squares(valley, p0, max_nfev=8, **how)

    failed = solve([-1.2, 1])
    helped, result = OptimizationRecovery().recover_from_failure("max_nfev", failed, solve)
    assert helped and result.x == pytest.approx([1, 1]) and result["fallback"].attempts == 3
    none = OptimizationRecovery(max_retries=0)
    helped, result = none.recover_from_failure("max_nfev", failed, solve)
    assert not helped and (result.x == failed.x).all() and not result["fallback"].tried
    with pytest.raises(ValueError, match="did you mean 'unexplained'"):
        none.recover_from_failure("unexplaned", failed, solve)


# ------------------------------------------------------------------------------ decompositions


def with_values(m, n, values):
    """A matrix (m, n) of these singular values."""
    rng, k = np.random.default_rng(0), len(values)
    U, V = (np.linalg.qr(rng.normal(size=(size, k)))[0] for size in (m, n))
    return U * values @ V.T


MATRICES = {
    "tall": with_values(40, 5, [9, 4, 3, 1, 0.5]),
    "wide": with_values(5, 40, [9, 4, 3, 1, 0.5]),
    "of rank 2": with_values(30, 6, [3.0, 2.0]),
    "badly scaled": with_values(30, 4, [1e200, 1e190, 1e180, 1e170]),
    "nothing": np.zeros((6, 3)),
}
ROAD = {"gesdd": (), "gesvd": ("gesdd",), "randomized": ("gesdd", "gesvd")}


@pytest.mark.parametrize("used", ROAD)
@pytest.mark.parametrize("name", MATRICES)
def test_singular_values_on_every_road(name, used, monkeypatch):
    A, real = MATRICES[name], svd_fallback.svd

    def failing(matrix, *args, lapack_driver, **how):
        if lapack_driver in ROAD[used] and matrix is A:
            raise np.linalg.LinAlgError("SVD did not converge")
        return real(matrix, *args, lapack_driver=lapack_driver, **how)

    monkeypatch.setattr(svd_fallback, "svd", failing)
    U, s, V = found = compute_svd_with_fallback(A)
    size = max(s.max(), 1e-300)
    assert found.used == used and len(found.failed) == len(ROAD[used])
    assert s / size == pytest.approx(np.linalg.svd(A, compute_uv=False) / size, abs=1e-14)
    assert np.abs(U * (s / size) @ V.T - A / size).max() < 1e-13
    for W in (U, V):
        assert np.abs(W.T @ W - np.eye(len(s))).max() < 1e-13


def test_large_matrices_are_decomposed_by_samples(monkeypatch):
    monkeypatch.setattr(svd_fallback, "LARGE", 100)
    assert compute_svd_with_fallback(MATRICES["tall"]).used == "randomized"
    assert compute_svd_with_fallback(MATRICES["tall"], full_matrices=True).U.shape == (40, 40)
    falling = with_values(200, 60, 0.5 ** np.arange(60.0))
    U, s, V = randomized_svd(falling, rank=5)
    assert s == pytest.approx(0.5 ** np.arange(5.0), rel=1e-9)
    assert np.linalg.norm(falling - U * s @ V.T, 2) == pytest.approx(0.5**5, rel=1e-6)
    with pytest.raises(ValueError, match="row 1, column 2"):
        compute_svd_with_fallback(np.where(np.eye(3, 4, 1) * [0, 1, 2, 1] == 2, np.nan, 1.0))


def test_a_fit_outlives_a_routine_that_does_not_converge(monkeypatch):
    def svd(*_, **__):
        raise np.linalg.LinAlgError("SVD did not converge")

    fits = []
    for _ in range(2):
        with pytest.warns(OptimizeWarning, match="one combination of a, b"):
            fits.append(curve_fit(lambda x, a, b, c: a * b * x + c, X, 3 + 2 * X))
        monkeypatch.setattr(np.linalg, "svd", svd)
    assert fits[0].predictions == pytest.approx(fits[1].predictions)
    assert fits[0].rank == fits[1].rank == 2
    assert dense.singular(np.diag([1.0, 2.0]))[1].tolist() == [2, 1]


def hilbert(n):
    i = np.arange(n)
    return 1 / (1.0 + i[:, None] + i)


G = MATRICES["tall"].T @ MATRICES["tall"]
UNITS = 10.0 ** np.array([-12, -3, 0, 5, 9])
CHOLESKY = {  # matrix, what is used, the relative difference that is allowed
    "regular": (G, "cholesky", 1e-14),
    "in other units": (G * UNITS * UNITS[:, None], "cholesky", 1e-14),
    "singular": (MATRICES["of rank 2"].T @ MATRICES["of rank 2"], "tikhonov", 3e-10),
    "next to it": (hilbert(14), "tikhonov", 3e-10),
    "nothing in a column": (np.diag([1.0, 0, 3]), "tikhonov", 3e-10),
}


@pytest.mark.parametrize("name", CHOLESKY)
def test_cholesky_and_what_takes_its_place(name):
    A, used, allowed = CHOLESKY[name]
    robust = RobustDecomposition()
    L = robust.cholesky(A)
    D = np.sqrt(np.where(A.diagonal() > 0, A.diagonal(), 1))
    assert robust.done.used == used and (robust.done.added > 0) == (used == "tikhonov")
    assert np.abs((L @ L.T - A) / D / D[:, None]).max() < allowed
    assert (np.triu(L, 1) == 0).all() and (robust.cholesky(A, lower=False) == L.T).all()


def test_a_pivot_lost_to_rounding_is_found_by_eigenvalues(monkeypatch):
    def cholesky(_):
        raise np.linalg.LinAlgError

    wanted = np.linalg.cholesky(G)
    monkeypatch.setattr(np.linalg, "cholesky", cholesky)
    robust = RobustDecomposition()
    assert robust.cholesky(G) == pytest.approx(wanted, rel=1e-12, abs=1e-12)
    assert robust.done.used == "eigenvalue" and robust.done.added == 0
    with pytest.raises(np.linalg.LinAlgError, match="not positive semidefinite"):
        robust.cholesky(np.diag([1.0, -1.0]) + 0.1)
    with pytest.raises(ValueError, match="symmetric"):
        robust.cholesky(np.triu(np.ones((3, 3))))


B = np.arange(40.0)
SYSTEMS = {  # A, which has 40 rows unless it is wide, what is used, its rank
    "regular": (MATRICES["tall"], "qr", 5),
    "in other units": (MATRICES["tall"] * UNITS, "qr", 5),
    "singular": (MATRICES["tall"][:, [0, 1, 2, 0]], "gesdd", 3),
    "wide": (MATRICES["wide"], "gesdd", 5),
    "nothing": (np.zeros((40, 2)), "gesdd", 0),
}


@pytest.mark.parametrize("name", SYSTEMS)
def test_least_squares_of_any_rank(name):
    A, used, rank = SYSTEMS[name]
    b, robust = B[: len(A)], RobustDecomposition(enable_logging=True)
    x = robust.solve_least_squares(A, b)
    D = np.linalg.norm(A, axis=0) + (A == 0).all(0)
    wanted = np.linalg.lstsq(A / D, b, rcond=1e-12)[0] / D  # the shortest, with columns of length 1
    assert x * D == pytest.approx(wanted * D, rel=1e-9, abs=1e-9)
    assert (robust.done.used, robust.done.rank) == (used, rank)


def test_the_rank_is_told_of_every_decomposition():
    robust, A = RobustDecomposition(), MATRICES["of rank 2"]
    Q, R = robust.qr(A)
    assert np.abs(Q @ R - A).max() < 1e-14 and robust.done.used == "qr"
    assert robust.svd(A).used == "gesdd" and robust.done.rank == 2
