"""The minima that a search found: told apart, counted, stored and shown."""

import itertools
import json
import math
import pickle

import numpy as np
import pytest
from scipy.optimize import least_squares
from scipy.stats import chi2

from nlsq.io import FileError, restore, result_document
from nlsq.result import CurveFitResult
from nlsq.result.minima import Minima
from tests.result_fits import DECAY, fitted, result_at

X = np.linspace(0.1, 5, 40)


def exponentials(p):
    a1, k1, a2, k2, c = p
    return a1 * np.exp(-k1 * X) + a2 * np.exp(-k2 * X) + c


def peaks(p):
    return sum(h * np.exp(-(((X - mu) / w) ** 2)) for h, mu, w in np.reshape(p, (-1, 3)))


def sine(p):
    return p[0] * np.sin(p[1] * X + p[2])


def in_degrees(p):
    return p[0] * np.cos(np.deg2rad(40 * X + p[1]))


def bateman(p):
    volume, into, out = p
    return into / (volume * (into - out)) * (np.exp(-out * X) - np.exp(-into * X))


def redundant(p):
    return p[0] / p[2] * X + p[1] / p[2]


def product(p):
    return p[0] * p[1] * X


def late(p):  # a decay that is over before the first point, and what stays
    return p[0] * np.exp(-p[1] * X) + p[2]


def orbit(p):  # of a time that returns after the period
    return p[0] * np.sin(2 * np.pi * (X - p[2]) / p[1])


def two_sites(p):
    return p[0] * X / (p[1] + X) + (1 - p[0]) * X / (p[2] + X)


def mirrored(p):
    return np.exp(-((X - 2.5 - p[0]) ** 2))


SIX = np.array([[h, 0.5 + 0.75 * i, 0.2 + 0.01 * i] for i, h in enumerate((3.0, 1, 2, 5, 4, 6))])
MANY = np.random.default_rng(5).uniform(0.1, 10, 200)
# curve, ends (rows of one cost), counts of the minima, whether they are valleys
CASES = {
    "exponentials": (exponentials, [[3, 1, 2, 0.1, 0.5], [2, 0.1, 3, 1, 0.5]] * 3, [6], False),
    "offset of 0": (
        exponentials, [[3, 1, 2, 0.1, c] for c in (1e-12, -3e-13, 0.0)]
        + [[2, 0.1, 3, 1, 2e-12]], [4], False,
    ),
    "six peaks": (
        peaks, [SIX[list(order)].ravel() for order in itertools.islice(
            itertools.permutations(range(6)), 0, 720, 37)], [20], False,
    ),
    "widths below 0": (peaks, [[3, 2, 0.5], [3, 2, -0.5]], [2], False),
    "phases": (sine, [[2, 3, 0.4], [2, 3, 0.4 + 6 * np.pi], [-2, 3, 0.4 + np.pi],
                      [-2, -3, -0.4], [2, -3, 3 * np.pi - 0.4]], [5], False),
    "phases in degrees": (in_degrees, [[2, 30], [2, 390], [-2, 210], [-2, -150]], [4], False),
    "a time and its period": (
        orbit, [[2, 1.7, 0.4], [2, 1.7, 2.1], [-2, 1.7, 1.25], [2, 1.7, -6.4]], [4], False,
    ),
    "shares of two sites": (two_sites, [[0.3, 0.5, 4], [0.7, 4, 0.5]], [2], False),
    "flip-flop": (bateman, [[10, 2, 0.5], [2.5, 0.5, 2], [10, 2, 0.5]], [2, 1], False),
    "flip-flop in large units": (
        lambda p: 1e7 * bateman(p), [[1e7, 2, 0.5], [2.5e6, 0.5, 2]], [1, 1], False,
    ),
    "aliases": (sine, [[2, 3, 0.4], [2, 3 + 2 * np.pi / (X[1] - X[0]), 0.4 - 2 * np.pi * X[0]
                                     / (X[1] - X[0])]], [1, 1], False),
    "mirrored data": (mirrored, [[1.5], [-1.5]], [1, 1], False),
    "a/c and b/c": (redundant, [[2 * s, 3 * s, s] for s in MANY], [200], True),
    "a*b": (product, [[2 * s, 3 / s] for s in MANY], [200], True),
    "nothing left of a decay": (late, [[3, 900 + 100 * s, 1] for s in MANY], [200], True),
    "two in a valley": (product, [[2, 3], [3, 2], [1, 6]], [3], True),
    "one end": (product, [[2, 3]], [1], False),
    "none": (product, np.empty((0, 2)), [], False),
}  # fmt: skip


def gathered(curve, ends, costs=0.25, starts=None, **options):
    ends = np.array(ends, float)
    names = [f"p{i}" for i in range(ends.shape[1])]
    if starts is None:
        starts = ends + np.random.default_rng(1).uniform(0.2, 3, ends.shape)
    costs = np.broadcast_to(np.asarray(costs, float), len(ends))
    return Minima.gather(ends, costs, starts, curve, names, stopped="", **options)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("cost", [0.25, 1e-28])
def test_ends_are_one_minimum_with_other_labels_and_along_a_valley_and_no_others(case, cost):
    curve, ends, counts, valley = CASES[case]
    minima = gathered(curve, ends, cost)
    assert [minimum.count for minimum in minima] == counts
    assert [minimum.valley for minimum in minima] == [valley] * len(counts)
    assert all(minimum.equal for minimum in minima)


@pytest.mark.parametrize("case", ["exponentials", "six peaks", "a/c and b/c", "flip-flop"])
@pytest.mark.parametrize("unit", [1e-140, 1e140])
def test_no_unit_of_the_data_or_of_the_parameters_matters(case, unit):
    curve, ends, counts, valley = CASES[case]
    own = 1e-100  # of the parameters
    minima = gathered(lambda p: unit * curve(p / own), own * np.array(ends), 1e-4 * unit**2,
                      starts=own * np.array(ends) * 1.1)  # fmt: skip
    assert [(m.count, m.valley) for m in minima] == [(count, valley) for count in counts]


def test_an_end_beyond_all_bounds_is_one_and_warns_of_nothing():
    ends = [[2, 3], [2e300, 3e-300], [1e-308, 1e308], [-1e308, -1e308], [0, 0]]
    minima = gathered(product, ends, [1.0, 1.0, 1.0, 1.0, 1e300])
    assert sum(m.count for m in minima) == 5


def test_costs_part_minima_unless_they_are_rounding():
    ends = [[3, 1, 2, 0.1, 0.5]] * 4
    costs = 0.25 * np.array([1.0, 1 + 1e-8, 1.00001, 1.2])
    minima = gathered(exponentials, ends, costs)
    assert [(m.count, m.equal) for m in minima] == [(2, True), (1, False), (1, False)]
    assert [m.cost for m in minima] == costs[[0, 2, 3]].tolist()
    assert minima.costs.tolist() == costs.tolist()
    assert len(gathered(exponentials, ends, [1e-29, 1e-27, 3e-22, 0.0])) == 1


def test_ends_of_real_fits_are_one_minimum():
    """SciPy's own ends, as far from each other as its tolerances leave them."""
    rng = np.random.default_rng(3)
    truth = np.array([3, 1.5, 2, 0.3, 0.5])
    y = exponentials(truth) + 0.02 * rng.standard_normal(X.size)
    starts = truth * rng.uniform(0.5, 2, (24, 5))
    fits = [least_squares(lambda p: exponentials(p) - y, p, method="lm") for p in starts]
    ends, costs = np.array([f.x for f in fits]), np.array([f.cost for f in fits])
    minima = Minima.gather(ends, costs, starts, exponentials, list("abcde"), stopped="")
    best = costs <= costs.min() * (1 + 1e-6)
    assert minima[0].count == best.sum() > 12 and not minima[0].valley
    assert sum(m.count for m in minima) == 24
    assert {tuple(s) for s in minima[0].starts} <= {tuple(s) for s in starts[best]}


def test_ends_without_a_cost_and_those_that_did_not_converge_are_no_minima():
    ends = [[2, 3], [2, 3], [2, 4], [2, 5], [np.nan, 1]]
    costs, converged = [1.0, np.nan, 2.0, 3.0, 4.0], [True, True, False, True, True]
    minima = gathered(product, ends, costs, converged=converged, n_failed=7, first_failure="no")
    assert [m.cost for m in minima] == [1.0, 3.0]
    assert (minima.n_fits, minima.n_failed, minima.first_failure) == (3, 7, "no")
    minima = gathered(product, ends[:3], costs[:3], converged=[False] * 3)
    assert [m.cost for m in minima] == [1.0]  # the best is what there is


def test_a_curve_that_fails_beside_an_end_parts_nothing_and_raises_nothing():
    def at_its_end(p):
        return np.where(p[0] <= 2, np.sqrt(2 - min(p[0], 2)), np.nan) * X + p[1] * X**2

    assert [m.count for m in gathered(at_its_end, [[2, 1], [2, 1.1], [2, 1]])] == [2, 1]
    assert len(gathered(lambda p: np.full(5, np.nan), [[2, 1], [2, 1.1]])) == 2


@pytest.mark.parametrize(("fits", "seen", "unseen"), [(1, 1, math.inf), (3, 1, math.inf),
                         (4, 1, 2.0), (9, 1, 1 / 3), (100, 3, 12 / 95)])  # fmt: skip
def test_unseen_minima_by_boender_and_rinnooy_kan(fits, seen, unseen):
    ends = [[1.0, k % seen + 1] for k in range(fits)]
    minima = gathered(product, ends, [1.0 + k % seen for k in range(fits)])
    assert len(minima) == seen and minima.unseen == pytest.approx(unseen)
    # The posterior expectation of the number of all minima is W (N - 1) / (N - W - 2).
    if unseen < math.inf:
        assert seen + unseen == pytest.approx(seen * (fits - 1) / (fits - seen - 2))


def stored():
    options = {"n_starts": 50, "n_failed": 2, "first_failure": "x", "seed": 3, "sampler": "lhs"}
    return gathered(bateman, [[10, 2, 0.5], [2.5, 0.5, 2], [9, 1, 1]], [1.0, 1.0, 2.5], **options)


def test_minima_come_back_from_json():
    minima = stored()
    back = Minima.from_dict(json.loads(json.dumps(minima.to_dict(), allow_nan=False)))
    assert back.to_dict() == minima.to_dict()
    assert back[2]["p1"] == 1.0 and back.names == ("p0", "p1", "p2")
    assert back.unseen == minima.unseen and repr(back) == repr(minima) and str(back) == str(minima)


@pytest.mark.parametrize(("change", "said"), [
    (lambda d: d.pop("seed"), "fields"),
    (lambda d: d.update(more=1), "fields"),
    (lambda d: d.update(names={"$tuple": ["a", "a", "b"]}), "names"),
    (lambda d: d.update(n_fits=-1), "counts"),
    (lambda d: d.update(n_fits=True), "counts"),
    (lambda d: d.update(costs=[1.0, 2.0]), "costs"),
    (lambda d: d.update(costs=[2.0, 1.0, 1.0]), "costs"),
    (lambda d: d.update(costs=[1.0, 1.0, "nan"]), "costs"),
    (lambda d: d.update(places=[1.0, 1.0, 1.0]), "places"),
    (lambda d: d["places"].update({"$array": [0, 0, 1]}), "counts other ends"),
    (lambda d: d["places"].update({"$array": [0, 1, 7]}), "counts other ends"),
    (lambda d: d.update(stopped=None), "stopped"),
    (lambda d: d.update(found=3), "found"),
    (lambda d: d["found"]["$list"].reverse(), "sorted"),
    (lambda d: d["found"]["$list"][0].update(count=9), "counts other ends"),
    (lambda d: d["found"]["$list"][0].update(count=0), r"found\[0\] has no count"),
    (lambda d: d["found"]["$list"][0].update(params=[1.0, 2.0]), r"found\[0\]"),
    (lambda d: d["found"]["$list"][1].update(starts=[1.0, 2.0, 3.0]), r"found\[1\]"),
    (lambda d: d["found"]["$list"][1].update(cost="1"), "cost"),
    (lambda d: d["found"]["$list"][1].update(valley=1), "valley"),
    (lambda d: d.update(found={"$evil": 1}), "unknown tag"),
])  # fmt: skip
def test_forged_minima_are_refused(change, said):
    data = stored().to_dict()
    change(data)
    with pytest.raises(ValueError, match=f"stored minima.*{said}"):
        Minima.from_dict(data)


def test_minima_are_shown_as_a_table():
    minima = stored()
    text = str(minima)
    assert "3 minima in 3 local fits from 50 starts" in text
    assert "equal" in text and "150 %" in text and "2 starts failed; the first: x" in text
    assert minima._repr_html_().count("<tr>") == 4
    frame = minima.to_dataframe()
    assert frame["cost"].tolist() == [1.0, 1.0, 2.5] and frame["p1"].tolist() == [2, 0.5, 1]


# -- in a result -------------------------------------------------------------------------------

NOISY = DECAY.f(X, 2.0, 3.0) + 0.1 * np.random.default_rng(4).standard_normal(X.size)


def fit_with(factors, counts, *, at=(2.0, 3.0), cost=None, **options):
    """A fit whose minima cost `factors` times its own cost, each found so many times."""
    known = {k: options.pop(k) for k in ("sigma", "absolute_sigma") if k in options}
    fit = fitted(DECAY, X, NOISY, **known)
    cost = fit.cost if cost is None else cost
    ends = np.repeat([[at[0] + 0.5 * i, at[1] * 2**i] for i in range(len(counts))], counts, axis=0)
    costs = np.repeat(cost * np.array(factors), counts)
    starts = ends + np.arange(len(ends))[:, None]
    options = {"curve": lambda p: DECAY.f(X, *p), "names": fit.names, "stopped": ""} | options
    fit["minima"] = Minima.gather(ends, costs, starts, **options)
    return fit


@pytest.mark.parametrize(("factors", "counts", "options", "said"), [
    ([1], [20], {}, "best of 20 starts, found 20 times; no other minimum"),
    ([1, 1.031, 2], [6, 1, 3], {"n_starts": 1000},
     "best of 1,000 starts (10 fitted to the end), found 6 times; next minimum 3.1 % worse"),
    ([1, 40], [1, 3], {}, "best of 4 starts, found once; next minimum 40 × the cost"),
    ([1, 1], [1, 3], {}, "best of 4 starts, found once; a second minimum is equal"),
    ([1, 1, 1, 2], [1, 3, 1, 1], {},
     "best of 6 starts, found once; 2 others are equal; next minimum 100 % worse"),
    ([1], [2], {"n_failed": 3, "n_starts": 5},
     "best of 5 starts (2 fitted to the end), found 2 times; no other minimum; 3 starts failed"),
])  # fmt: skip
def test_the_summary_says_how_sure_the_best_minimum_is(factors, counts, options, said):
    fit = fit_with(factors, counts, **options)
    text = " ".join(fit.summary().split("\n\n")[0].split())
    assert text.endswith(f"search {said}")
    assert "\\" not in fit.summary(ascii=True)


@pytest.mark.parametrize("known", [{}, {"sigma": 0.1, "absolute_sigma": True}])
def test_minima_within_the_noise_are_a_caution(known):
    """With 2 parameters, chi-squared of one end is below that of another by so much."""
    fit = fit_with([1], [3], **known)
    noise = 1.0 if known else 2 * fit.cost / fit.dof
    limit = 1 + chi2.ppf(0.95, 2) * noise / (2 * fit.cost)
    for factor, undecided in ((1 + 0.99 * (limit - 1), True), (1 + 1.01 * (limit - 1), False)):
        text = " ".join(fit_with([1, factor], [3, 2], **known).summary().split())
        said = "another minimum fits as well within the noise (95 %): (a=2.5, b=6), cost"
        assert (said in text) is undecided
    sample = fit_with([1, 1 + 0.9 * (limit - 1)], [3, 2], cost=1e-3, **known)
    assert "within the noise" in sample.summary()  # costs of some of the points tell the same


def test_the_fit_that_follows_may_lower_the_best_end():
    minima = fit_with([1, 1, 3], [3, 2, 1]).minima
    lower = minima.improved(np.array([7.0, 8.0]), 0.5 * minima[0].cost)
    assert lower[0].params.tolist() == [7, 8] and lower[0].count == 3
    assert minima[1].equal and not lower[1].equal
    assert minima.improved(np.ones(2), minima[0].cost * (1 - 1e-9))[1].equal
    assert lower.costs[0] == lower[0].cost and np.bincount(lower.places).tolist() == [3, 2, 1]
    assert Minima.from_dict(lower.to_dict()).to_dict() == lower.to_dict()
    assert minima.improved(np.ones(2), minima[0].cost) is minima


def test_equal_minima_are_named():
    text = " ".join(fit_with([1, 1, 3], [3, 2, 1]).summary().split())
    assert "another minimum fits just as well as this one: (a=2.5, b=6); the data cannot" in text
    text = " ".join(fit_with([1] * 6, [1] * 6).summary().split())
    assert "5 other minima fit just as well" in text and "and others;" in text


def test_a_result_keeps_its_minima_and_a_forged_one_is_refused():
    fit = fit_with([1, 2], [3, 2], seed=5)
    for back in (
        CurveFitResult.from_json(fit.to_json()), pickle.loads(pickle.dumps(fit)), fit.copy(),
        restore(result_document(fit)),
    ):  # fmt: skip
        assert back.minima.to_dict() == fit.minima.to_dict() and "found 3 times" in back.summary()
    document = result_document(fit)
    for place, value in (("names", {"$tuple": ["a", "z"]}), ("seed", "x")):
        forged = json.loads(json.dumps(document))
        forged["result"]["minima"]["$minima"][place] = value
        with pytest.raises(FileError, match=r"minima"):
            restore(forged)
    forged["result"]["minima"] = "many"
    with pytest.raises(FileError, match="minima is no Minima"):
        restore(forged)
    plain = result_at(DECAY, X, NOISY, [2, 3], np.eye(2))
    with pytest.raises(AttributeError, match="minima"):
        _ = plain.minima
    with pytest.raises(AttributeError, match="not searched for: fit again with method='global'"):
        plain.plot_waterfall()
    assert "search" not in plain.summary()


@pytest.mark.parametrize(("factors", "scale"), [([1, 1.5, 1.2], "linear"), ([1, 90, 80], "log")])
def test_a_waterfall_shows_every_end_at_its_cost(factors, scale):
    fit = fit_with(factors, [5, 3, 2])
    _, ax = fit.plot_waterfall(title="Ends")
    assert ax.get_yscale() == scale and ax.get_title() == "Ends"
    ends = [np.asarray(dots.get_offsets()) for dots in ax.collections]
    assert [len(dots) for dots in ends] == [5, 2, 3]
    np.testing.assert_allclose(np.concatenate(ends)[:, 1], fit.minima.costs)
    np.testing.assert_allclose(np.concatenate(ends)[:, 0], np.arange(1, 11))
    (band,) = ax.patches
    assert band.get_y() == pytest.approx(fit.cost)
    texts = [text.get_text() for text in ax.get_legend().get_texts()]
    assert texts[0].endswith("(best), 5×") and texts[1].endswith("2×")


def test_a_waterfall_of_many_minima_and_of_costs_of_0():
    fit = fit_with(1 + np.arange(12.0), [1] * 12)
    texts = [text.get_text() for text in fit.plot_waterfall()[1].get_legend().get_texts()]
    assert "5 more minima" in texts
    fit = fit_with([0, 1], [2, 1], cost=0.5)
    assert np.asarray(fit.plot_waterfall()[1].collections[0].get_offsets())[0, 1] > 0
    assert fit.minima[0].cost == 0 and "next minimum of cost 0.5" in fit.summary()
    fit["minima"] = fit_with([1], [1], converged=[False]).minima
    assert len(fit.minima) == 1
    fit["minima"] = gathered(lambda p: p, np.empty((0, 2)))
    with pytest.raises(ValueError, match="nothing to draw"):
        fit.plot_waterfall()
    assert "no local fit of 0 starts came to an end" in fit.summary()
