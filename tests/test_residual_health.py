"""What a diagnosis says of residuals: tests against SciPy, refits, and fits of known truth."""

import contextlib
import dataclasses
import pickle
import re

import numpy as np
import pytest
from scipy import stats

from nlsq import curve_fit
from nlsq.diagnostics import (
    Evidence,
    Finding,
    Kinetics,
    PluginRegistry,
    Severity,
    create_health_report,
    influence,
    patterns,
    residual_health,
    residual_tests,
    run_plugins,
)
from nlsq.diagnostics.residual_space import Axis, ResidualSpace, orthonormal
from nlsq.result.diagnosing import evidence_of
from tests.nist import PROBLEMS
from tests.program import ROOT
from tests.residual_cases import BAD, FAR, GOOD, PATTERN, SEEDS, X, decay, line, peak, saturation
from tests.test_nist_data import _jacobian

CODES = ((), PATTERN, FAR, ("spread",), ("chi-squared",), ("influence",))
SAID = {"pattern", "neighbours", "chi-squared", "outlier", "tails", "spread", "skewed", "influence"}


def said(case, seed) -> set[str]:
    evidence, _ = evidence_of(case.fit(seed))
    found = residual_health.analyse(evidence) + influence.analyse(evidence)
    return {f.code for f in found} & SAID


# -- fits of known truth ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def answers():
    return {(c, seed): said(c, seed) for c in GOOD + BAD for seed in SEEDS}


def _right(answers, cases) -> tuple[int, int, dict]:
    asked = {key: found for key, found in answers.items() if key[0] in cases}
    wrong = {
        (case.name, seed): found
        for (case, seed), found in asked.items()
        if (not found & set(case.codes) if case.codes else found)
    }
    return len(asked) - len(wrong), len(asked), wrong


def test_good_fits_are_left_alone(answers):
    right, asked, wrong = _right(answers, GOOD)
    assert right >= 0.95 * asked, wrong


def test_bad_fits_are_seen_for_what_they_are(answers):
    right, asked, wrong = _right(answers, BAD)
    assert right >= 0.95 * asked, wrong


def test_the_page_states_what_is_measured_here(answers):
    page = (ROOT / "docs" / "diagnostics.md").read_text("utf-8")
    rows = re.findall(r"^\| ([a-z][^|]*) \| (\d+) of (\d+) \|$", page, re.MULTILINE)
    groups = {codes: [c for c in GOOD + BAD if c.codes == codes] for codes in CODES}
    assert len(rows) == len(groups)
    for (truth, right, asked), cases in zip(rows, groups.values(), strict=True):
        assert _right(answers, cases)[:2] == (int(right), int(asked)), truth


@pytest.mark.parametrize(
    ("name", "fact"),
    [
        ("missing bump", r"slow pattern is left along x: 66 %"),
        ("AR(1) noise", r"neighbouring residuals along x agree: correlation 0\.[78]"),
        ("alternating noise", r"along x alternate: correlation -0\.[67]"),
        ("two outliers that hide each other", r"points 40 \(x = 2\.02\) and 43 \(x = 2\.172\) lie"),
        ("noise grows along x", r"the noise grows [345]"),
        ("wrong weights", r"the noise over sigma shrinks"),
        ("sigma twice too large", r"reduced χ² is 0\.2\d* where sigma promises 1"),
        ("one point decides", r"without point 24 \(x = 30\), a would be (2\.0|1\.9)"),
    ],
)
def test_the_sentence_has_the_number(name, fact):
    (case,) = (c for c in BAD if c.name == name)
    assert re.search(fact, "\n".join(f.fact for f in _all(case.fit(0))))


def test_a_point_that_nothing_checks_is_named():
    x = np.append(X, 30.0)
    y = 2 * x + np.cos(7 * x)
    fit = curve_fit(lambda x, a, b, c: a * x + b + c * (x > 20), x, y, p0=(1, 0, 0))
    (found,) = influence.analyse(evidence_of(fit)[0])
    assert found.code == "leverage" and "point 100 (x = 30)" in found.fact
    assert np.isinf(fit.diagnose().influence().shifts[100]).all()


@pytest.mark.parametrize("problem", PROBLEMS, ids=str)
def test_no_alarm_on_certified_fits(problem):
    J, n = _jacobian(problem), problem.certified.size
    f = problem.model_numpy(problem.x, *problem.certified)
    r = f - problem.y
    evidence = Evidence(
        tuple(f"b{i}" for i in range(n)), problem.certified, np.ones(n, bool), np.zeros(n, int),
        None, np.diag(problem.stderr**2), (), (), 0.5 * float(r @ r), problem.dof, r.size,
        problem.rsd**2, J, r, problem.x if problem.x.ndim == 1 else None, problem.y, f,
        total=problem.y.size * float(problem.y.var()),
    )  # fmt: skip
    found = residual_health.analyse(evidence) + influence.analyse(evidence)
    assert [f for f in found if f.severity > Severity.INFO] == []
    if problem.name == "Kirby2":  # a pattern to the eye, of 0.5 % of y
        assert [f.code for f in found] == ["neighbours"]
    if problem.name == "Lanczos1":  # digits that were printed
        assert [f.code for f in found] == ["exact"]


def test_units_change_no_verdict():
    rng = np.random.default_rng(1)
    y = decay(X, 2, 1, 0.3) + 0.3 * np.sin(4 * X) + 0.1 * rng.normal(size=100)
    facts = []
    for a, b in ((1.0, 1.0), (1e-9, 1e7), (1e12, 1e-5), (1e150, 1.0), (1e-150, 1.0)):
        fit = curve_fit(decay, X * b, y * a, p0=(2 * a, 1 / b, 0.3 * a))
        facts.append([(f.code, f.severity, f.number) for f in _all(fit)])
    assert facts[0]
    for other in facts[1:]:
        assert [f[:2] for f in other] == [f[:2] for f in facts[0]]
        np.testing.assert_allclose([f[2] for f in other], [f[2] for f in facts[0]], rtol=1e-4)


def _all(fit) -> list[Finding]:
    evidence, _ = evidence_of(fit)
    return residual_health.analyse(evidence) + influence.analyse(evidence)


# -- the tests themselves --------------------------------------------------------------------------


def test_scores_of_shape_are_scipys():
    values = np.random.default_rng(0).standard_t(5, 60)
    excess, skewness = stats.kurtosis(values), stats.skew(values)
    scores = stats.kurtosistest(values).statistic, stats.skewtest(values).statistic
    assert residual_tests._kurtosis(excess, 60) == pytest.approx(scores[0], rel=1e-12)
    assert residual_tests._skewness(skewness, 60) == pytest.approx(scores[1], rel=1e-12)
    assert patterns.normal(-2.5) == pytest.approx(2 * stats.norm.sf(2.5), rel=1e-12)


def test_moments_of_neighbours_are_those_of_the_projection():
    m, k = 12, 2
    Q = orthonormal(np.vander(np.linspace(0, 1, m), 3))
    M, A = np.eye(m) - Q @ Q.T, 0.5 * (np.eye(m, k=k) + np.eye(m, k=-k))
    dof, MA = m - 3, M @ A
    mean = np.trace(MA) / dof  # Durbin and Watson (1950), of r'Ar / r'r
    variance = 2 * (dof * np.trace(MA @ MA) - np.trace(MA) ** 2) / (dof**2 * (dof + 2))
    r = M @ np.random.default_rng(2).normal(size=m)
    ratio = r @ A @ r / (r @ r)
    scores, beyond = patterns._lags(r, Q, 3, dof, float(r @ r))
    assert beyond[k - 1] == pytest.approx(ratio - mean, rel=1e-12)
    assert scores[k - 1] == pytest.approx((ratio - mean) / np.sqrt(variance), rel=1e-12)


@pytest.mark.parametrize("m", [9, 40])
def test_chance_is_what_is_said(m):
    x = np.linspace(0, 3, m)
    Q = orthonormal(np.stack([np.exp(-x), x * np.exp(-x), np.ones(m)], axis=1))
    axis, rng = Axis("x", x, np.arange(m), None), np.random.default_rng(3)
    noise = rng.normal(size=(600, m))
    called = sum(
        patterns.along(ResidualSpace(e - Q @ (Q.T @ e), Q), axis, 0.1) is not None for e in noise
    )
    assert called < 0.1 * 600 + 3 * np.sqrt(0.1 * 0.9 * 600)


def test_waves_are_the_f_test_of_added_terms():
    m = 30
    x = np.linspace(0, 1, m)
    J, y = np.stack([np.sin(37 * x), np.ones(m)], axis=1), 0.1 * x**2 + 0.1 * np.cos(50 * x)
    waves = np.cos(np.pi * np.arange(1, 10) * (np.arange(m)[:, None] + 0.5) / m)
    rss = [np.linalg.lstsq(A, y, rcond=None)[1][0] for A in (J, np.hstack([J, waves]))]
    F = ((rss[0] - rss[1]) / 9) / (rss[1] / (m - 11))
    Q = orthonormal(J)
    _, _, p = patterns._waves(y - Q @ (Q.T @ y), Q, None, m - 2, rss[0])
    assert p == pytest.approx(stats.f.sf(F, 9, m - 11), rel=1e-6)


def test_points_left_out_one_after_the_other_take_away_what_refits_say():
    rng = np.random.default_rng(4)
    J, e = rng.normal(size=(14, 3)), rng.normal(size=14)
    e[[3, 8]] += 6
    Q = orthonormal(J)
    space = ResidualSpace(e - Q @ (Q.T @ e), Q)
    farthest, squares = residual_tests._left_out(space, 3)
    assert set(farthest[:2]) == {3, 8}
    rss = [
        np.linalg.lstsq(np.delete(J, farthest[:k], 0), np.delete(e, farthest[:k]), rcond=None)[1][0]
        for k in range(4)
    ]
    np.testing.assert_allclose(squares, -np.diff(rss), rtol=1e-9)


# -- influence -------------------------------------------------------------------------------------


def test_influence_is_that_of_refits_without_each_point():
    rng = np.random.default_rng(5)
    x = np.linspace(0, 5, 25)
    for model, p in ((decay, (2, 1, 0.3)), (peak, (3, 2, 0.8, 1)), (saturation, (5, 2))):
        y = model(x, *p) + 0.1 * rng.normal(size=25)
        sigma = rng.uniform(0.05, 0.2, 25)
        fit = curve_fit(model, x, y, p0=p, sigma=sigma)
        found = fit.diagnose().influence()
        refits = np.array([_without(model, x, y, sigma, i, fit.popt) for i in range(25)])
        largest = np.abs(refits).max(axis=0)
        assert (np.abs(found.shifts - refits) <= 0.01 * largest).all()
        moved = np.array([model(x, *(fit.popt + shift)) for shift in refits])
        changes = (((moved - fit.predictions) / sigma) ** 2).sum(axis=1)
        cooks = changes / (len(p) * fit.reduced_chi_squared)
        assert np.abs(found.cooks_distance - cooks).max() < 0.1 * cooks.max()  # by its linear model


def _without(model, x, y, sigma, i, popt):
    left = [np.delete(v, i) for v in (x, y)]
    return curve_fit(model, *left, p0=popt, sigma=np.delete(sigma, i)).popt - popt


def test_influence_of_a_line_is_exact_without_refits():
    rng = np.random.default_rng(6)
    x, y = np.arange(9.0), rng.normal(size=9)
    report = curve_fit(line, x, y).diagnose()
    found = report.influence(refit=False)
    h = 1 / 9 + (x - 4) ** 2 / 60
    np.testing.assert_allclose(found.leverage, h, rtol=1e-10)
    for i in range(9):
        p = np.polyfit(np.delete(x, i), np.delete(y, i), 1)
        np.testing.assert_allclose(found.shifts[i], p - np.polyfit(x, y, 1), atol=1e-9)
        # A point's studentised residual is its error of prediction by the others.
        rest = np.delete(y - np.polyval(p, x), i)
        error = np.sqrt(rest @ rest / 6 / (1 - h[i]))
        assert found.studentised[i] == pytest.approx((np.polyval(p, x[i]) - y[i]) / error)


def test_a_refit_that_leaves_the_numbers_warns_nobody():
    """A glitch of 1e5 times the noise; without it the step is far too long."""
    x = np.linspace(0, 5, 2000)
    y = decay(x, 3, 1, 0.5) + 0.1 * np.cos(90 * x)
    y[10] = 1e4
    report = curve_fit(decay, x, y, p0=(1, 1, 0)).diagnose()
    assert any("point 10 (x = 0.02501)" in f.fact for f in report.alarms)


@pytest.mark.parametrize("options", [{"loss": "soft_l1"}, {}], ids=["loss", "no model"])
def test_influence_says_what_it_needs(options):
    report = curve_fit(line, X, 2 * X + np.cos(7 * X), **options).diagnose()
    if not options:
        report = dataclasses.replace(
            report, evidence=dataclasses.replace(report.evidence, residual_at=None)
        )
    with pytest.raises(ValueError, match="loss='linear'" if options else "refit=False does not"):
        report.influence()


# -- plugins ---------------------------------------------------------------------------------------


@pytest.fixture
def registry():
    yield PluginRegistry
    PluginRegistry.clear()


class Broken:
    name = "broken"

    def __init__(self, wrong):
        self.wrong = wrong

    def analyse(self, evidence):
        if isinstance(self.wrong, BaseException):
            raise self.wrong
        return self.wrong(evidence) if callable(self.wrong) else self.wrong


def spoil(evidence):
    """Change the fit wherever that can be done."""
    e = evidence
    for array in (e.values, e.covariance, e.residuals, e.jacobian, e.space.r, e.axis.places):
        with contextlib.suppress(ValueError):
            array[...] = 99.0
    raise ValueError("nothing could be changed")


def garble(evidence):
    """Return a finding that is none."""
    return [Finding("code", 7, None)]


def test_registry(registry):
    first, second = Broken([]), Kinetics()
    registry.register(first)
    registry.register(second)
    assert registry.all() == (first, second) and registry.get("kinetics") is second
    registry.register(third := Kinetics(("k",)))
    assert registry.get("kinetics") is third and len(registry.all()) == 2
    registry.unregister("broken")
    assert registry.all() == (third,)
    with pytest.raises(KeyError, match="'kinetics'"):
        registry.get("broken")
    registry.clear()
    with pytest.raises(KeyError, match="none"):
        registry.unregister("kinetics")


@pytest.mark.parametrize(
    "plugin", [object(), Kinetics, "kinetics"], ids=lambda one: type(one).__name__
)
def test_what_is_no_plugin_is_refused(registry, plugin):
    with pytest.raises(TypeError, match=r"analyse|instance"):
        registry.register(plugin)
    assert registry.all() == ()


@pytest.mark.parametrize(
    "wrong",
    [ZeroDivisionError("oops"), ["a text"], None, 7, spoil, garble],
    ids=lambda one: getattr(one, "__name__", repr(one)),
)
def test_a_plugin_that_fails_loses_nothing(registry, wrong):
    registry.register(Broken(wrong))
    plain, result = (
        curve_fit(line, X, 2 * X + np.cos(7 * X), p0=(1, 1), compute_diagnostics=asked)
        for asked in (False, True)
    )
    for field in ("popt", "pcov", "fun", "jac"):
        np.testing.assert_array_equal(result[field], plain[field])
    report = result.diagnostics
    (failed,) = [f for f in report.findings if f.code == "plugin-failed"]
    assert "'broken'" in failed.fact and type(failed.severity) is Severity
    assert any(f.code == "explained" for f in report.findings)


def bateman(t, ka, ke, v):
    return 1000 * ka / (v * (ka - ke)) * (np.exp(-ke * t) - np.exp(-ka * t))


TIMES = np.array([0.1, 0.2, 0.4, 0.6, 1, 2, 3, 6, 12])
CONCENTRATIONS = np.array([4.91, 8.65, 12.4, 18.7, 24.3, 24.5, 18.4, 4.66, 0.238])


@pytest.mark.parametrize("start", [(0.9, 0.5, 20), (0.5, 0.9, 10)], ids=["one", "other"])
def test_flip_flop_kinetics_are_named(start):
    # The same data fitted from both ends (CGNM's documentation): two equal minima.
    fit = curve_fit(bateman, TIMES, CONCENTRATIONS, p0=start)
    evidence, _ = evidence_of(fit)
    (found,) = run_plugins(evidence, [Kinetics(("ka", "ke"))])
    assert found.code == "flip-flop" and found.parameters == ("ka", "ke")
    other = curve_fit(bateman, TIMES, CONCENTRATIONS, p0=(fit["ke"], fit["ka"], 15))
    assert other.cost == pytest.approx(fit.cost, rel=1e-6)
    assert other["ka"] == pytest.approx(fit["ke"], rel=1e-4)


def test_rates_that_cannot_change_places_are_not_called():
    def chain(t, k1, k2):
        return 1 - np.exp(-k1 * t) + 0.2 * np.exp(-k2 * t)

    y = chain(X, 2.0, 0.5) + 0.01 * np.random.default_rng(0).normal(size=100)
    evidence, _ = evidence_of(curve_fit(chain, X, y, p0=(1.5, 0.4)))
    assert run_plugins(evidence, [Kinetics(("k1", "k2"))]) == []


@pytest.mark.parametrize(
    ("rate", "says"), [(0.05, "longer than the data"), (40.0, "before the second"), (1.0, None)]
)
def test_half_lives_outside_the_data_are_named(rate, says):
    y = decay(X, 2, rate, 0) + 1e-3 * np.random.default_rng(0).normal(size=100)
    fit = curve_fit(decay, X, y, p0=(2, rate, 0))
    evidence, _ = evidence_of(fit)
    found = run_plugins(evidence, [Kinetics(("b", "another"))])
    assert [f.number for f in found] == ([np.log(2) / fit["b"]] if says else [])
    assert all(says in f.fact for f in found)


# -- page and picture ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def report():
    rng = np.random.default_rng(9)
    y = decay(X, 2, 1, 0.3) + 0.05 * rng.normal(size=100)
    y[30] += 1
    return curve_fit(decay, X, y, p0=(1, 1, 0)).diagnose()


def test_page_stands_alone_and_says_what_the_summary_says(report):
    page = report.to_html()
    assert page.startswith("<!doctype html>") and page.count("<svg") == 1
    assert not re.search(r"<script|https?://(?!www\.w3\.org)|<link[^>]*href=\"(?!data:)", page)
    for finding in report.findings:
        assert finding.fact.replace("'", "&#x27;") in page
    assert "point 30" in report._repr_html_()


def test_page_of_strange_words_is_inert():
    finding = Finding("x", Severity.CRITICAL, "<script>alert(1)</script> \x00 & co", None, "<b>")
    page = create_health_report([finding], "<img src=x>", ["<i>"]).to_html()
    for tag in ("<script", "<img", "<b>\n", "<i>", "\x00"):
        assert tag not in page
    assert "&lt;script&gt;" in page and "Critical" in page


def test_four_panels_show_what_is_said(report):
    _, axes = report.plot()
    along, normal, lags, leverage = axes.ravel()
    t = -report.influence(refit=False).studentised
    drawn = next(line for line in along.lines if line.get_marker() == "o")
    np.testing.assert_allclose(drawn.get_ydata(), np.clip(t, -8, 8))
    assert "30" in [text.get_text() for text in along.texts]
    np.testing.assert_allclose(normal.lines[-1].get_ydata(), np.sort(t))
    r = report.evidence.residuals
    np.testing.assert_allclose(lags.lines[-1].get_ydata()[0], r[1:] @ r[:-1] / (r @ r))
    # On its line Cook's distance is 1: from the studentised residual back to the plain one.
    contour = next(line for line in leverage.lines if line.get_label().endswith(" 1"))
    h, t = contour.get_data()
    dof = report.evidence.dof
    inner = t**2 * dof / (dof - 1 + t**2)
    shown = np.isfinite(t)
    assert shown.any()
    np.testing.assert_allclose((inner * h / (1 - h) / 3)[shown], 1.0)


def test_what_cannot_be_drawn_says_why(report):
    exact = curve_fit(line, X, 2 * X + 1, p0=(1, 1)).diagnose()
    with pytest.raises(ValueError, match="passes through"):
        exact.plot()
    assert "<svg" not in exact.to_html()
    kept = pickle.loads(pickle.dumps(report))
    assert kept == report and kept.summary() == report.summary()
    with pytest.raises(ValueError, match="diagnose it again"):
        kept.plot()
