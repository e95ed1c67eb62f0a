"""A tournament keeps the best of many candidates, whatever the batches, the order of the rows, the
models that fail, and the moment at which it is killed."""

import json
import tempfile
import warnings

import h5py
import numpy as np
import pytest
from scipy import optimize

import nlsq
from nlsq.core.drive.roads import choose_road
from nlsq.core.model.calls import CurveCall
from nlsq.core.model.model import Model
from nlsq.core.problem.observations import parse_observations
from nlsq.core.problem.options import Options
from nlsq.core.problem.parameters import parse_parameters
from nlsq.global_optimization import GlobalOptimizationConfig, TournamentSelector
from nlsq.global_optimization.batch_costs import BLOCK, Batch, BatchCosts
from nlsq.result import OptimizeWarning
from nlsq.streaming import ArraySource, DataSourceError, HDF5Source, IterableSource, NpySource
from nlsq.streaming.feed import Feed
from nlsq.streaming.phases.checkpoint import CheckpointError
from nlsq.streaming.sources import Source
from nlsq.streaming.spread import spread
from tests.kill_and_resume import Suicidal, bits, killed_search, peak, search

M = 40_000
CONFIG = GlobalOptimizationConfig(elimination_rounds=3, batches_per_round=4)


def wave(x, a, w):
    return a * np.sin(w * x)


def _data(m=M, noise=0.3, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.uniform(0, 20, m)
    return x, wave(x, 2.0, 3.0) + noise * rng.standard_normal(m)


X, Y = _data()
# the truth, its neighbours, and others far away
CANDIDATES = np.array([[2.0, w] for w in (1.0, 2.9, 3.0, 3.3, 5.0, 0.2, 7.0, 3.004)])


def batches(x, y, size, sigma=None):
    for k in range(0, len(y), size):
        more = () if sigma is None else (sigma[k : k + size],)
        yield x[k : k + size], y[k : k + size], *more


def costs(x, y, candidates=CANDIDATES, f=wave):
    """Half the sums of squares (k,)."""
    return np.array([0.5 * np.sum((f(x, *p) - y) ** 2) for p in candidates])


def played(candidates=CANDIDATES, config=CONFIG, given=None, model=wave, top_m=1):
    selector = TournamentSelector(candidates, config)
    given = batches(X, Y, M // 12) if given is None else given
    return selector.run_tournament(given, model, top_m), selector


def test_the_best_wins_and_half_drop_out_each_round():
    best, selector = played()
    assert best.tolist() == [[2.0, 3.0]]
    found = selector.get_diagnostics()
    assert found["survivors"] == [4, 2, 1] and selector.n_survivors == 1
    assert found["n_rows"] == 12 * (M // 12) and found["n_batches"] == 12
    third, order = M // 12 * 4, np.argsort(costs(X, Y))
    seen = third * np.array([3 if j in order[:2] else 2 if j in order[:4] else 1 for j in range(8)])
    assert found["n_evaluations"] == seen.sum()
    behind = [(costs(X[:m], Y[:m])[j] - costs(X[:m], Y[:m])[2]) / m for j, m in enumerate(seen)]
    np.testing.assert_allclose(found["behind"], behind, rtol=1e-9, atol=1e-12)
    expected = [costs(X[:m], Y[:m])[j] / m for j, m in enumerate(seen)]
    np.testing.assert_allclose(found["costs"], expected, rtol=1e-12)
    top = selector.get_top_candidates(8)
    assert sorted(top[:, 1]) == sorted(CANDIDATES[:, 1])
    assert top[:2].tolist() == CANDIDATES[order[:2]].tolist()


@pytest.mark.parametrize("size", [1, 7, 1000, 1024, 3333])
def test_the_size_of_batches_changes_no_bit(size):
    m = 3 * 3333 if size > 1 else 3000
    x, y = X[:m], Y[:m]
    rows = m // 3

    def whole(size):  # batches that end with the rounds
        for k in range(0, m, rows):
            yield from batches(x[k : k + rows], y[k : k + rows], size)

    states = []
    for n in (size, rows):
        config = GlobalOptimizationConfig(batches_per_round=-(-rows // n))
        _, selector = played(config=config, given=whole(n))
        states.append(selector.to_checkpoint())
    for name in ("sums", "rows", "seen", "alive", "blocks", "survivors"):
        assert np.array_equal(states[0][name], states[1][name]), name


def test_candidates_that_cannot_be_told_apart_stay():
    """In noise as large as the signal: the neighbours differ by less than what the noise makes."""
    near = [[2.0, 3.0 + 1e-4 * k] for k in range(8)]
    _, selector = played(near, given=batches(*_data(noise=2.0), M // 12))
    found = selector.get_diagnostics()
    assert found["survivors"] == [8, 8, 8] and found["in_doubt"] == 7
    # twelve times the rows, and far apart: half as ever
    _, selector = played([[2.0, 3.0 + 1e-1 * k] for k in range(8)])
    assert selector.get_diagnostics()["survivors"] == [4, 2, 1]


def test_the_truth_is_seldom_lost():
    """A hundred tournaments, on rows that hardly tell the truth from what is beside it."""
    rng, lost = np.random.default_rng(3), 0
    config = GlobalOptimizationConfig(elimination_rounds=2, batches_per_round=4)
    near = np.array([[1.0, 2.0 + 1e-2 * k] for k in range(-3, 4)])
    for _ in range(100):
        x = rng.uniform(0, 5, 8 * BLOCK)
        y = wave(x, 1.0, 2.0) + 3.0 * rng.standard_normal(x.size)
        selector = TournamentSelector(near, config)
        selector.run_tournament(batches(x, y, BLOCK), wave)
        lost += not selector.to_checkpoint()["alive"][3]
    assert lost <= 3


# ----------------------------------------------------------------------------------------- costs

LOSSES = [("linear", 1.0), ("soft_l1", 0.3), ("cauchy", 0.5)]


@pytest.mark.parametrize("compiled", [False, True], ids=["numpy", "program"])
@pytest.mark.parametrize(("loss", "f_scale"), LOSSES)
def test_costs_are_scipys(loss, f_scale, compiled):
    m = 3 * BLOCK + 77
    x, y, sigma = X[:m], Y[:m], np.linspace(0.5, 2.0, m)
    sigma[::50] = np.inf
    u = np.stack([x, np.zeros(m)])
    made = _costs(compiled, loss, f_scale, (u, y, sigma))
    table = made(CANDIDATES, np.array([0, 2, 5]), Batch(u, y, 1 / sigma))
    assert table.shape == (4, 8) and not table[:, [1, 3, 4, 6, 7]].any()
    for j in (0, 2, 5):
        r = (wave(x, *CANDIDATES[j]) - y) / sigma
        at_start = optimize.least_squares(lambda p, r=r: r + 0 * p, 0.0, loss=loss, f_scale=f_scale)
        assert table[:, j].sum() == pytest.approx(at_start.cost, rel=1e-10)
    first = Batch(u[:, :BLOCK], y[:BLOCK], 1 / sigma[:BLOCK])
    assert (made(CANDIDATES, np.arange(8), first)[0, [0, 2, 5]] == table[0, [0, 2, 5]]).all()


def _costs(compiled, loss, f_scale, data):
    def f(u, a, w):
        return wave(u[0] + u[1], a, w)

    parameters = parse_parameters(f, [1.0, 1.0], (-np.inf, np.inf))
    options = Options(loss=loss, f_scale=f_scale, backend="jax" if compiled else "numpy")
    model, observed = Model(CurveCall(f), 2, "wave"), parse_observations(*data, True, None)
    choose_road(model, observed, parameters, options)
    assert model.on_host is not compiled
    return BatchCosts(model, options, observed.x)


def test_complex_data_count_in_both_parts():
    def turn(x, a, w):
        return a * np.exp(1j * w * x)

    y = turn(X, 2.0, 3.0) * (1 + 0.1 * np.cos(X))
    found, selector = played(given=batches(X, y, M // 12), model=turn)
    assert found.tolist() == [[2.0, 3.0]]
    m = M // 12 * 12
    expected = 0.5 * np.sum(np.abs(turn(X[:m], 2.0, 3.0) - y[:m]) ** 2) / m
    assert selector.get_diagnostics()["costs"][2] == pytest.approx(expected)


def test_sigma_decides():
    """Rows of another curve have a sigma that leaves them out of it."""
    x, sigma = X, np.where(X < 10, 1.0, 1e3)
    y = np.where(x < 10, wave(x, 2.0, 3.0), wave(x, 2.0, 1.0) * 3)
    found, _ = played(given=batches(x, y, M // 12, sigma))
    assert found.tolist() == [[2.0, 3.0]]
    assert played(given=batches(x, y, M // 12))[0].tolist() != [[2.0, 3.0]]


# --------------------------------------------------------------------------------------- failures


def test_a_candidate_that_gives_nan_never_wins():
    def odd(x, a, w):
        return np.where((w == 3.0) & (x > 19.99), np.nan, wave(x, a, w))

    found, selector = played(model=odd)
    assert found.tolist() == [[2.0, 3.004]]
    told = selector.get_diagnostics()
    assert told["n_failed"] == 1 and np.isnan(told["costs"][2])
    assert told["first_failure"] == "its values or their squares are not finite (at 2, 3)"
    assert len(selector.get_top_candidates(8)) == 7


def strict(x, a, w):
    if w > 2.95:
        raise ArithmeticError("w is too large")
    return wave(x, a, w)


def test_failures_are_counted_and_the_first_reason_is_told():
    with pytest.warns(OptimizeWarning, match=r"at 5 of 8 .*ArithmeticError: w is too large \(at"):
        found, selector = played(model=strict)
    assert found.tolist() == [[2.0, 2.9]] and selector.get_diagnostics()["n_failed"] == 5
    with pytest.raises(ValueError, match=r"failed at 2 of 2 candidates.*too large.*Give bounds"):
        played([[1.0, 3.0], [1.0, 4.0]], model=strict)
    with pytest.raises(TypeError, match="returns complex values but ydata is real"):
        played(model=lambda x, a, w: wave(x, a, w) + 0j)
    with pytest.raises(ValueError, match="shape"):
        played(model=lambda x, a, w: np.ones(3))
    with pytest.raises(TypeError, match="has 2 values, but the model takes 1"):
        played(model=lambda x, a: a * x)


def test_equal_candidates_are_ranked_by_their_number():
    twins = np.array([[2.0, 1.0], [2.0, 3.0], [2.0, 3.0], [2.0, 3.0]])
    _, selector = played(twins)
    order = selector.get_top_candidates(4)
    assert order.tolist() == twins[[1, 2, 3, 0]].tolist()
    exact, selector = played(given=batches(X, wave(X, 2.0, 3.0), M // 12))  # a cost of exactly 0
    assert exact.tolist() == [[2.0, 3.0]]


def test_fewer_batches_than_the_rounds_want_and_more():
    few, selector = played(given=batches(X[:5000], Y[:5000], 1000))
    assert few.tolist() == [[2.0, 3.0]] and selector.get_diagnostics()["survivors"] == [4, 2]
    left = iter(batches(X, Y, 1000))
    _, selector = played(given=left)
    assert selector.n_batches == 12 and len(list(left)) == 28  # the rest is not taken
    _, selector = played(given=batches(X, Y, 1000), top_m=4)
    assert selector.n_batches == 4 and selector.n_survivors == 4  # so many are wanted
    with pytest.raises(ValueError, match="gave no batch"):
        played(given=[])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: TournamentSelector([], CONFIG), r"must have shape \(k, n\)"),
        (lambda: TournamentSelector([1.0, 2.0], CONFIG), r"must have shape \(k, n\)"),
        (lambda: TournamentSelector([[1.0], [np.nan]], CONFIG), "number 1 is"),
        (
            lambda: TournamentSelector([[1.0]], CONFIG.with_overrides(elimination_rounds=0)),
            "elimination_rounds of at least 1",
        ),
        (lambda: played(top_m=0), "top_m must be a whole number from 1 to 8"),
        (lambda: played(top_m=9), "top_m must be"),
        (lambda: played(given=[(X, Y, Y, Y)]), None),
        (lambda: played(given=[X]), None),
        (lambda: played(config="fast"), "config must be a Global.*from_preset"),
        (lambda: TournamentSelector.from_checkpoint({}, 5), "config must be a Global"),
        (lambda: played([["a", "b"]]), "`candidates` must be an array of numbers"),
        (lambda: played([[1j, 2]]), "`candidates` must be real"),
        (lambda: played(given=5), "data_batch_iterator must yield batches"),
        (lambda: played(model="a*x"), r"model must be a function f\(x"),
        (lambda: played(given=[(X, Y[:5])]), "batch 0: x must have shape"),
        (lambda: played(given=[(X, np.full(M, np.nan))]), "batch 0: y is not finite"),
        (lambda: played(given=[(X[:9], Y[:9], np.zeros(9))]), "batch 0: `sigma` must be positive"),
        (lambda: TournamentSelector([[1.0]], CONFIG).get_top_candidates(), "run_tournament first"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(
        (ValueError, TypeError) if message else TypeError, match=message or "batch 0 must be"
    ):
        call()


# ------------------------------------------------------------------------------------ checkpoints


@pytest.mark.parametrize("stop", [1, 4, 6, 11])
def test_it_goes_on_from_a_batch_with_the_same_bits(stop):
    given, kept = list(batches(X, Y, 1500)), []  # of which no multiple is a block
    first = TournamentSelector(CANDIDATES, CONFIG)

    def watched():
        yield from given[:stop]
        kept.append(first.to_checkpoint())
        yield from given[stop:]

    first.run_tournament(watched(), wave)
    second = TournamentSelector.from_checkpoint(kept[0], CONFIG)
    assert second.n_batches == stop
    second.run_tournament(given[stop:], wave)
    ends = [{k: np.asarray(v).tolist() for k, v in s.to_checkpoint().items()}
            for s in (first, second)]  # fmt: skip
    assert repr(ends[0]) == repr(ends[1])


def test_a_checkpoint_of_other_settings_is_refused():
    kept = played()[1].to_checkpoint()
    plain = {k: v for k, v in kept.items() if not isinstance(v, np.ndarray)}
    assert json.loads(json.dumps(plain)) == plain
    other = GlobalOptimizationConfig(elimination_rounds=2, batches_per_round=4)
    with pytest.raises(ValueError, match="elimination_rounds=3, not 2"):
        TournamentSelector.from_checkpoint(kept, other)
    with pytest.raises(ValueError, match="has version 0"):
        TournamentSelector.from_checkpoint(kept | {"version": 0}, CONFIG)


# ------------------------------------------------------------------------------- rows of a source

SORTED = np.linspace(0.0, 20.0, 200_000)


def half(x, a, w):
    """To the left of 5 other parameters fit than to the right of it."""
    return np.where(x < 5, wave(x, 2.0, 1.0), wave(x, a, w))


def hdf5(folder, chunk, rows=slice(None)):
    with h5py.File(folder / "rows.h5", "w") as file:
        y = np.where(SORTED < 5, wave(SORTED, 2.0, 1.0), wave(SORTED, 2.0, 3.0))
        for name, column in (("x", SORTED), ("y", y)):
            chunks = {} if chunk is None else {"chunks": (chunk,), "compression": "lzf"}
            file.create_dataset(name, data=column, **chunks)
    return HDF5Source(folder / "rows.h5", rows=rows)


def counted(source):
    """The source, with an array that counts how often a row is read."""
    reads, read = np.zeros(source.n_points, int), source.read_into

    def count(start, buffers):
        reads[start : start + len(buffers.y)] += 1
        read(start, buffers)

    source.read_into = count
    return reads


@pytest.mark.parametrize("chunk", [None, 100, 1000, 7000, 20_000, 70_000, 200_000])
def test_rows_sorted_by_x_mislead_nobody(tmp_path, chunk):
    """The first quarter of the file is best fitted by a candidate that is wrong for the rest."""
    source = hdf5(tmp_path, chunk)
    front, _ = played(given=batches(SORTED, half(SORTED, 2.0, 3.0), 4000))
    assert front.tolist() == [[2.0, 1.0]]
    reads, feed = counted(source), Feed(source, 1 << 16, 1 << 16, check=True)
    plan = spread(feed, source.n_points, 3, 20)
    config = GlobalOptimizationConfig(
        elimination_rounds=plan.rounds, batches_per_round=plan.per_round
    )
    whole = list(plan.batches())
    best, _ = played(config=config, given=iter(whole))
    assert best.tolist() == [[2.0, 3.0]]
    assert reads.max() <= 3
    rounds = [whole[k : k + plan.per_round] for k in range(0, len(whole), plan.per_round)]
    for batch in rounds:  # no part of x is left out, none is twice
        x = np.sort(np.concatenate([b.x for b in batch]))
        assert np.diff(x, prepend=0.0, append=20.0).max() < 1.0
        assert (np.diff(x) > 0).all()
    later = list(plan.batches(7))  # as they are taken up
    assert all(np.array_equal(a.x, b.x) for a, b in zip(whole[7:], later, strict=True))
    source.close()


def _npy(folder):
    np.save(folder / "x.npy", X)
    np.save(folder / "y.npy", Y)
    return NpySource(folder / "x.npy", folder / "y.npy")


ORDERED = [(X[k : k + 1700], Y[k : k + 1700]) for k in range(0, M, 1700)]
SOURCES = {
    "arrays": lambda folder: ArraySource(X, Y),
    "every third row": lambda folder: ArraySource(X, Y, rows=slice(5, None, 3)),
    "npy": _npy,
    "every third row of chunks": lambda folder: hdf5(folder, 1000, slice(17, None, 3)),
    "in order": lambda folder: IterableSource(ORDERED),
}


@pytest.mark.parametrize("name", SOURCES)
def test_any_source(name, tmp_path):
    source = SOURCES[name](tmp_path)
    n = source.n_points or M
    reads = counted(source) if isinstance(source, Source) else np.zeros(1)
    plan = spread(Feed(source, 1 << 13, 1 << 13), n, 5, 4)
    every = np.concatenate([b.x for b in plan.batches()])
    assert len(np.unique(every)) == len(every)  # no row counts twice
    assert reads.max() <= 3 and plan.rounds <= (5 if isinstance(source, Source) else 3)
    assert len(every) > 0.65 * n


def test_rows_without_a_number_are_left_out_or_refused():
    y = Y.copy()
    y[1234] = np.nan
    source = ArraySource(X, y)
    with pytest.raises(DataSourceError, match="row 1234"):
        list(spread(Feed(source, 1 << 16, 1 << 16, check=True), M, 3, 4).batches())
    found = list(spread(Feed(source, 1 << 16, 1 << 16, omit=True), M, 3, 4).batches())
    kept = np.concatenate([b.y for b in found])
    assert np.isfinite(kept).all()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert played(given=found)[0].tolist() == [[2.0, 3.0]]


# ----------------------------------------------------------------------- in the fit of a source


@pytest.fixture(scope="module")
def searched():
    return search(None, Suicidal())


def test_the_data_decide_where_their_sample_misleads(searched):
    """On the sample the lower of two peaks fits better; all points tell."""
    told, m = searched.streaming["tournament"], Suicidal().n_points
    assert searched.success and abs(searched.popt[1] - 7.0) < 0.01
    assert told["n_candidates"] == len(searched.minima) >= 2 and told["n_rows"] > 0.9 * m
    best = searched.minima[0]
    assert [minimum.equal for minimum in searched.minima][:2] == [True, False]
    assert best["x0"] == pytest.approx(7.0, abs=0.05)
    assert best.cost == pytest.approx(searched.cost, rel=0.01)
    assert searched.minima.costs.tolist() == sorted(searched.minima.costs)
    assert len(type(searched.minima).from_dict(searched.minima.to_dict())) == len(searched.minima)
    assert f"costs by {told['n_rows']:,} of {m:,} points" in searched.minima.stopped
    plain = GlobalOptimizationConfig(n_starts=200, elimination_rounds=0)
    sampled = search(None, Suicidal(), search_config=plain)
    assert abs(sampled.popt[1] - 2.5) < 0.01 and "tournament" not in sampled.streaming
    assert "costs on a sample of 8,192 points" in sampled.minima.stopped


def test_minima_that_the_points_read_do_not_tell_apart_are_named(monkeypatch):
    monkeypatch.setattr("nlsq.streaming.spread.ROWS", BLOCK)  # of a batch
    with pytest.warns(OptimizeWarning, match=r"of 270,001 points do not tell .* \(h=.*, x0=.*\)"):
        result = search(None, Suicidal())
    assert result.streaming["tournament"]["n_rows"] < 20_000
    assert result.streaming["tournament"]["in_doubt"] >= 1


def test_up_to_a_million_points_all_are_searched(searched):
    x, y = Suicidal().get_chunk(0, None)
    fitter = nlsq.LargeDatasetFitter(multistart=True, n_starts=200)
    bounds = {"h": (0, 5), "x0": (0, 10), "w": (0.1, 1)}
    found = fitter.fit(peak, ArraySource(x, y), bounds=bounds, workflow="chunked")
    np.testing.assert_allclose(found.popt, searched.popt, rtol=1e-7)
    np.testing.assert_allclose(found.perr, searched.perr, rtol=1e-6)
    assert found.minima[0].cost == pytest.approx(found.cost, rel=1e-9)
    with pytest.raises(TypeError, match="'n_starts' is for a search"):
        nlsq.LargeDatasetFitter(n_starts=200)
    with pytest.raises(TypeError, match="'seed' is for a search"):
        nlsq.fit(peak, ArraySource(x, y), p0=[1, 1, 1], seed=1, workflow="chunked")


def test_a_killed_tournament_goes_on_to_the_same_bits(searched):
    with tempfile.TemporaryDirectory() as folder:
        assert killed_search(folder, 12) == ""
        assert killed_search(folder, None) == f"{bits(searched)} resumed"


def test_a_checkpoint_is_of_one_search(tmp_path):
    class Gone(Suicidal):
        def get_chunk(self, start, end):
            if self.calls == 12:
                raise OSError("the network is gone")
            return super().get_chunk(start, end)

    with pytest.raises(OSError, match="network"):
        search(tmp_path, Gone())
    with pytest.raises(CheckpointError, match="search for the start is not that"):
        search(tmp_path, Suicidal(), seed=5)
