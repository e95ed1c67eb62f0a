"""Comparisons of fits against lmfit, closed forms, and textbook F tests."""

import math

import lmfit
import matplotlib.pyplot as plt
import numpy as np
import pytest
from scipy import stats

from nlsq import compare
from nlsq.result import CurveFitResult, StreamedFitResult, statistics
from tests.result_fits import DECAY, LINE, Model, fitted, noisy_line

CONSTANT = Model(lambda x, a: a + 0 * x, lambda x, a: np.ones((len(x), 1)), "constant")
PARABOLA = Model(
    lambda x, a, b, c: a * x + b + c * x**2,
    lambda x, a, b, c: np.column_stack([x, np.ones_like(x), x**2]),
    "parabola",
)
FAMILY = ((CONSTANT, "a"), (LINE, "ab"), (PARABOLA, "abc"))


def family(m=25, sigma=None, absolute_sigma=False, models=FAMILY, **fields):
    x, y = noisy_line(m)
    return [
        fitted(f, x, y, [1.0] * len(n), n, sigma, absolute_sigma, model_name=f.name, **fields)
        for f, n in models
    ]


@pytest.mark.parametrize("model, names", FAMILY)
def test_aic_and_bic_are_lmfits(model, names):
    x, y = noisy_line()
    sigma = np.linspace(0.5, 2, 25)
    (fit,) = family(sigma=sigma, models=[(model, names)])
    parameters = lmfit.create_params(**dict.fromkeys(names, 1.0))
    theirs = lmfit.minimize(
        lambda p: (model.f(x, *p.valuesdict().values()) - y) / sigma, parameters
    )
    assert fit.aic == pytest.approx(theirs.aic, rel=1e-8)
    assert fit.bic == pytest.approx(theirs.bic, rel=1e-8)
    row = compare(fit, fit)[model.name]
    assert (row.n_free, row.n_points, row.dof) == (theirs.nvarys, theirs.ndata, theirs.nfree)
    assert row.chi_squared == pytest.approx(theirs.chisqr, rel=1e-8)
    assert row.reduced_chi_squared == pytest.approx(theirs.redchi, rel=1e-8)
    assert row.adj_r_squared == fit.adj_r_squared


@pytest.mark.parametrize(
    "known, deviance, counted", [(True, 12.0, 3), (False, 20 * math.log(12 / 20), 4)]
)
def test_aicc_counts_an_unknown_noise(known, deviance, counted):
    """Burnham and Anderson (2002), eq. 2.4 and section 2.2: K counts the variance."""
    expected = deviance + 2 * 3 + 2 * counted * (counted + 1) / (20 - counted - 1)
    assert statistics.aicc(12.0, 20, 3, known) == pytest.approx(expected)
    assert statistics.aicc(12.0, counted + 1, 3, known) == math.inf


def test_known_sigma_ranks_by_the_likelihood_of_that_noise():
    fits = family(sigma=0.8, absolute_sigma=True)
    twice = [-2 * stats.norm.logpdf(fit.residuals, scale=0.8).sum() for fit in fits]
    for small, large, a, b in zip(fits, fits[1:], twice, twice[1:], strict=False):
        assert small.aic - large.aic == pytest.approx(a - b - 2, rel=1e-9)
        assert small.bic - large.bic == pytest.approx(a - b - math.log(25), rel=1e-9)


def test_weights_of_burnham_and_anderson():
    """Model Selection and Multimodel Inference (2002), section 2.9: the weights of a table."""
    delta, weights = statistics.akaike_weights([100.0, 102.0, 104.0, math.nan, math.inf])
    shares = np.exp([0, -1, -2])
    np.testing.assert_array_equal(delta, [0, 2, 4, math.nan, math.inf])
    np.testing.assert_allclose(weights[:3], shares / shares.sum(), rtol=1e-15)
    assert math.isnan(weights[3]) and weights[4] == 0
    exact = statistics.akaike_weights([-math.inf, 3.0, -math.inf])
    np.testing.assert_array_equal(exact, [[0, math.inf, 0], [0.5, 0, 0.5]])
    assert np.isnan(statistics.akaike_weights([math.inf, math.inf])[1]).all()


def test_f_test_of_the_slope_is_that_of_linregress():
    """The F test of a line against a constant is the t test of its slope."""
    constant, line, parabola = family()
    ranking = compare(parabola, constant, line)
    first, second = ranking.tests
    oracle = stats.linregress(*noisy_line())
    t = oracle.slope / oracle.stderr
    assert (first.smaller, first.larger, first.kind, first.df) == ("constant", "line", "F", (1, 23))
    assert first.statistic == pytest.approx(t**2, rel=1e-7)
    assert first.p_value == pytest.approx(oracle.pvalue, rel=1e-5)
    assert second.p_value == pytest.approx(stats.f.sf(second.statistic, 1, 22), rel=1e-12)
    assert ranking.best is line and len(ranking) == 3
    assert [row.name for row in ranking][-1] == "constant"
    assert sum(row.weight for row in ranking) == pytest.approx(1)
    worst = ranking["constant"]
    assert worst.evidence_ratio == pytest.approx(ranking["line"].weight / worst.weight)


@pytest.mark.parametrize(
    "small, large, known",
    [
        ((30.0, 12), (20.0, 10), False),
        ((5.0, 9), (4.9, 5), False),
        ((30.0, 12), (20.0, 10), True),
        ((20.0, 12), (20.0, 10), True),
    ],
)
def test_p_values_are_scipys(small, large, known):
    statistic, p = statistics.nested_test(small, large, known)
    fall, freed = small[0] - large[0], small[1] - large[1]
    if known:
        assert (statistic, p) == (fall, pytest.approx(stats.chi2.sf(fall, freed), rel=1e-12))
    else:
        expected = (fall / freed) / (large[0] / large[1])
        assert statistic == pytest.approx(expected)
        assert p == pytest.approx(stats.f.sf(expected, freed, large[1]), rel=1e-12)


def test_known_sigma_is_tested_by_chi_squared():
    constant, line, _ = fits = family(sigma=0.8, absolute_sigma=True)
    test = compare(*fits).tests[0]
    fall = constant.chi_squared - line.chi_squared
    assert (test.kind, test.df) == ("χ²", (1,))
    assert test.statistic == pytest.approx(fall) and test.p_value == stats.chi2.sf(fall, 1)
    assert "sigma known" in str(compare(*fits))


# ------------------------------------------------------------------------------- what it says


def test_the_table_says_what_the_rows_say():
    constant, line, parabola = family()
    parabola["undetermined"], parabola["at_bound"], parabola["bounds"] = ("c",), ("a",), (0, 2)
    ranking = compare(constant, line, parabola)
    text, page = str(ranking), ranking._repr_html_()
    for said in ("line", "0.00", "undetermined: c; on a bound: a", "F(1, 23)", "special case"):
        assert said in text and said in page
    assert repr(ranking) == "Comparison(line, parabola, constant)"
    table = ranking.to_dataframe()
    assert list(table.index) == [row.name for row in ranking]
    for name in ("aicc", "bic", "weight", "chi_squared", "n_free"):
        assert table[name].tolist() == [getattr(row, name) for row in ranking]


def test_names_are_made_different_and_escaped():
    line = family()[1]
    assert [row.name for row in compare(line, line, line)] == ["line", "line (2)", "line (3)"]
    ranking = compare(line, line, names=["<b>", 2])
    assert ranking["2"].fit is line and "<b></td>" not in ranking._repr_html_()
    with pytest.raises(KeyError, match="there are <b>, 2"):
        ranking["line"]


def test_a_fit_that_did_not_converge_has_no_rank():
    constant, line, parabola = family()
    line["success"] = False
    ranking = compare(constant, line, parabola)
    last = ranking.rows[-1]
    assert last.fit is line and last.remarks == ("not converged",) and math.isnan(last.weight)
    assert ranking.best is parabola and [t.smaller for t in ranking.tests] == ["constant"]
    assert "not converged" in str(ranking)
    for fit in (constant, parabola):
        fit["success"] = False
    assert compare(constant, parabola).best is None and str(compare(constant, parabola))


def test_a_larger_model_that_fits_worse_is_not_tested():
    line, parabola = family()[1:]
    decay = fitted(DECAY, *noisy_line(), [1.0, 1e3], model_name="decay")
    parabola["cost"], parabola["fun"] = 2 * decay.cost, 2 * decay.fun
    ranking = compare(line, parabola, decay)
    assert ranking.tests == () and "line is no special case of it" in str(ranking)


def test_a_robust_loss_ranks_by_its_sum_and_has_no_f_test():
    fits = family(loss="soft_l1", f_scale=0.5)
    for fit, cost in zip(fits, (30.0, 10.0, 8.0), strict=True):
        fit["cost"] = cost
    ranking = compare(*fits)
    assert ranking.best is fits[2] and ranking.tests == ()
    aicc = 25 * math.log(16 / 25) + 6 + 2 * 4 * 5 / 20
    assert ranking.rows[0].aicc == pytest.approx(aicc) and "loss soft_l1" in str(ranking)


@pytest.mark.parametrize("m, models", [(4, FAMILY), (3, FAMILY[:2])])
def test_few_points(m, models):
    ranking = compare(*family(m, models=models))
    assert "hardly more than the parameters" in str(ranking) and "nan" not in str(ranking)


def streamed(fit, y):
    """What a streamed fit knows: its cost, and its data's sums once they are asked for."""
    known = {k: fit[k] for k in ("x", "pcov", "cost", "n_points", "dof", "param_names", "loss")}
    total = statistics.total_sum_of_squares(y, None)
    moments = {"chi_squared": fit.chi_squared, "total": total}
    sample = {"xdata": fit.xdata[::5], "ydata": np.asarray(y)[::5], "sigma": None}
    known |= {"sample": sample, "weighted": False, "model_name": "line"}
    return StreamedFitResult(known, lazy={"moments": lambda: moments})


def test_a_streamed_fit_is_compared_by_what_it_knows():
    whole = family()[1]
    fit = streamed(whole, whole.ydata)
    for summed in (False, True):
        _ = fit["moments"] if summed else None
        ranking = compare(whole, fit)
        mine, theirs = ranking["line"], ranking["line (2)"]
        for name in ("aicc", "bic", "chi_squared", "reduced_chi_squared"):
            assert getattr(theirs, name) == pytest.approx(getattr(mine, name), rel=1e-10)
        assert math.isnan(theirs.adj_r_squared) is not summed
        assert "not in memory" in str(ranking)
    with pytest.raises(ValueError, match="y differ at point 0"):
        compare(fit, streamed(whole, whole.ydata + 1))


def changed(**fields):
    return lambda line: CurveFitResult(dict(line.items()) | fields)


REFUSED = [
    ("one", lambda a, b: compare(a), "needs two or more fits of the same data, not 1"),
    ("none", lambda a, b: compare(), "not 0"),
    ("lengths", lambda a, b: compare(a, family(24)[0]), "25 and 24 points"),
    ("y", lambda a, b: compare(a, changed(ydata=b.ydata + 1)(b)), "y differ at point 0"),
    ("sigma", lambda a, b: compare(a, changed(sigma=2.0)(b)), "their sigma differ"),
    ("matrix", lambda a, b: compare(a, changed(sigma=np.eye(25) + 0.1)(b)), "a covariance matrix"),
    ("matrices", lambda a, b: compare(changed(sigma=np.eye(25) + 1)(a),
                                      changed(sigma=np.eye(25) + 2)(b)), "their sigma differ"),
    ("known", lambda a, b: compare(a, changed(absolute_sigma=True)(b)), "absolute_sigma=True"),
    ("loss", lambda a, b: compare(a, changed(loss="huber")(b)), "the linear loss and the loss hub"),
    ("f_scale", lambda a, b: compare(changed(loss="huber")(a),
                                     changed(loss="huber", f_scale=2.0)(b)), "f_scale 2"),
    ("names", lambda a, b: compare(a, b, names=["a"]), "1 names for 2 fits"),
    ("twice", lambda a, b: compare(a, b, names="aa".split() * 2), "'aa' is there twice"),
]  # fmt: skip


@pytest.mark.parametrize("call, said", [case[1:] for case in REFUSED], ids=[c[0] for c in REFUSED])
def test_what_cannot_be_compared_is_refused(call, said):
    with pytest.raises(ValueError, match=said):
        call(*family()[:2])


@pytest.mark.parametrize(
    "call, said",
    [
        (lambda a, b: compare([a, b], a), r"unpack it, compare\(\*fits\)"),
        (lambda a, b: compare([a, b.popt]), "argument 2 is a ndarray"),
        (lambda a, b: compare([a.popt, b.popt]), "argument 1 is a list$"),
        (lambda a, b: compare(tuple(b)), "keep the result itself"),
        (lambda a, b: compare({"a": a, "b": b.popt}), "argument 2 is a ndarray"),
        (lambda a, b: compare(a, tuple(b)), r"keep the result itself, fit = curve_fit\(...\)"),
        (lambda a, b: compare(a, b.popt), "argument 2 is a ndarray"),
        (lambda a, b: compare(a, b, names="ab"), "one name for each fit"),
        (lambda a, b: compare(a, CurveFitResult(x=b.popt, pcov=b.pcov)), "fit 2 knows neither"),
    ],
)
def test_what_is_no_fit_is_refused(call, said):
    with pytest.raises(TypeError, match=said):
        call(*family()[:2])


def test_fits_come_in_a_list_or_a_dict_too():
    a, b, _ = family()
    plain = [row.fit for row in compare(a, b)]
    for ranking in (compare([a, b]), compare((a, b)), compare(iter([a, b]))):
        assert [row.fit is fit for row, fit in zip(ranking, plain, strict=True)] == [True, True]
    named = compare({"u": a, "v": b})
    assert named["u"].fit is a and named["v"].fit is b
    assert {row.name for row in compare({"u": a, "v": b}, names=["s", "t"])} == {"s", "t"}


def test_equal_data_in_other_forms_are_the_same():
    constant, line, _ = family()
    for fields in ({"sigma": 1.0}, {"sigma": np.ones(25)}, {"ydata": line.ydata.tolist()}):
        assert compare(constant, changed(**fields)(line)).best is not constant
    x, y = noisy_line()
    sigma, out = np.linspace(0.5, 2, 25), np.arange(25) == 3
    matrix, vector = (fitted(LINE, x, y, sigma=s) for s in (np.diag(sigma**2), sigma))
    assert len(compare(matrix, vector)) == 2
    masked = {"ydata": np.where(out, np.nan, y), "sigma": np.where(out, np.inf, sigma)}
    hidden, left_out = (
        changed(n_points=24, **fields)(vector)
        for fields in (masked, {"ydata": y[~out], "sigma": sigma[~out]})
    )
    assert len(compare(hidden, left_out)) == 2


# ------------------------------------------------------------------------------------ pictures


@pytest.fixture
def closed():
    yield
    plt.close("all")


@pytest.mark.usefixtures("closed")
def test_the_picture_has_every_curve_and_every_rank():
    ranking = compare(*family())
    for bars in ("weight", "delta_aicc"):
        _, axes = ranking.plot(bars, xlabel="t", title="Which?")
        widths = [bar.get_width() for bar in axes[1].patches]
        assert widths == [getattr(row, bars) for row in ranking]
        assert [t.get_text() for t in axes[1].get_yticklabels()] == [r.name for r in ranking]
        for row, line in zip(ranking, axes[0].lines[-3:], strict=True):
            np.testing.assert_allclose(line.get_ydata(), row.fit.predict(line.get_xdata()))
            assert line.get_label() == row.name
    with pytest.raises(ValueError, match="'weight' or 'delta_aicc'"):
        ranking.plot("bic")


@pytest.mark.usefixtures("closed")
def test_a_picture_without_curves():
    constant, line, parabola = family()
    parabola["success"] = False
    fit = streamed(line, line.ydata)
    fit["model"], fit["sample"] = line.model, fit["sample"] | {"xdata": np.zeros((2, 5))}
    for ranking in (compare(line, changed(xdata=2 * line.xdata)(constant), parabola),
                    compare(line, fit)):  # fmt: skip
        _, axes = ranking.plot()
        assert len(axes) == 1 and len(axes[0].patches) == len(ranking)
    assert "not converged" in compare(line, parabola).plot()[1][-1].texts[-1].get_text()
