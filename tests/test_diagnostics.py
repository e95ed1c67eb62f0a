"""Diagnoses against sixty models of known truth, public failures, NIST's problems and units."""

import dataclasses
import re
import warnings

import numpy as np
import pytest

import nlsq
from nlsq.diagnostics import (
    DiagnosticsConfig,
    Evidence,
    Finding,
    GradientMonitor,
    HealthReport,
    IdentifiabilityAnalyzer,
    ParameterSensitivityAnalyzer,
    Severity,
    create_health_report,
    diagnose,
    gradient,
)
from nlsq.result.diagnosing import evidence_of
from tests.diagnosed_models import (
    CASES,
    FINE,
    FINE_CASES,
    LOST,
    REDUNDANT,
    SEO,
    TOGETHER,
    decay,
    line,
    saturation,
    two_lives,
)
from tests.nist import PROBLEMS
from tests.program import ROOT
from tests.test_far_starts import PUBLIC

OF_PARAMETERS = {"rank", "dead", "near-null", "one-sided", "condition", "sloppy"}
OF_THE_END = {"explained", "not-converged", "gradient", "bound", "freedom", "vanishing"}
T = np.linspace(0, 5, 40)
Y = decay(T, 2.0, 1.0, 0.5) + 0.02 * np.random.default_rng(0).normal(size=40)


@pytest.fixture(scope="module", autouse=True)
def by_numpy():
    """What does not ask for programs buys none, and fits may say what they like."""
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        patch.setenv("NLSQ_BACKEND", "numpy")
        warnings.simplefilter("ignore", nlsq.OptimizeWarning)
        yield


def fitted(f, x, y, p0=None, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", nlsq.OptimizeWarning)
        try:
            return nlsq.curve_fit(f, x, y, p0=p0, **options)
        except nlsq.FitError as error:
            return error.result


# ------------------------------------------------------------------------------- the sixty models


@pytest.fixture(scope="module")
def alarms():
    """Of each case and seed the facts of its alarms, those about residuals left out."""
    out = {}
    for case in CASES:
        start = case.start or (case.truth if case.kind == FINE else None)
        for seed in case.seeds:
            result = fitted(case.model, case.x, case.data(seed), start)
            evidence = evidence_of(result)[0]
            found = diagnose(evidence).alarms
            out[case.name, seed] = [f for f in found if f.code in OF_PARAMETERS | OF_THE_END]
    return out


def is_right(case, found):
    facts = [f.fact for f in found]
    if not case.said:
        return not facts
    return all(any(text in f for f in facts for text in said.split("|")) for said in case.said)


def rates(alarms, kinds=None):
    """(right, all) of the cases that want an alarm, and of those that want none."""
    sick, well = [], []
    for case in CASES:
        for seed in case.seeds:
            right = is_right(case, alarms[case.name, seed])
            if case.kind == FINE:
                well.append(right)
            elif kinds is None or case.kind in kinds:
                sick.append(right)
    return (sum(sick), len(sick)), (sum(well), len(well))


def test_there_are_sixty_models_half_of_them_fine():
    assert len(CASES) == 60 and len(FINE_CASES) == 30
    assert len({case.name for case in CASES}) == 60


@pytest.mark.parametrize("case", FINE_CASES, ids=lambda case: case.name)
def test_the_fine_models_are_fine_by_differences(case):
    """Their relative errors at the truth are small: the oracle knows nothing of the package."""
    p = np.array(case.truth, float)
    step = 1e-6 * np.where(p != 0, np.abs(p), 1.0)
    J = np.stack(
        [
            (case.model(case.x, *(p + d)) - case.model(case.x, *(p - d))) / (2 * h)
            for d, h in zip(np.diag(step), step, strict=True)
        ],
        axis=1,
    )
    lengths = np.linalg.norm(J, axis=0)
    inverse = np.linalg.inv((J / lengths).T @ (J / lengths))
    errors = case.noise * np.sqrt(np.diagonal(inverse)) / lengths
    assert (errors[p != 0] < 0.25 * np.abs(p[p != 0])).all() and (errors[p == 0] < 0.05).all()


def test_sensitivity_and_specificity_are_at_least_95_percent(alarms):
    (found, sick), (quiet, well) = rates(alarms)
    wrong = [
        (case.name, seed, [f.fact for f in alarms[case.name, seed]])
        for case in CASES
        for seed in case.seeds
        if not is_right(case, alarms[case.name, seed])
    ]
    assert found >= 0.95 * sick and quiet >= 0.95 * well, wrong


def test_what_is_sloppy_is_told_from_what_is_not(alarms):
    def is_sloppy(case, seed):
        return any(f.code == "sloppy" for f in alarms[case.name, seed])

    together = [is_sloppy(c, seed) for c in CASES if c.kind == TOGETHER for seed in c.seeds]
    fine = [is_sloppy(c, seed) for c in CASES if c.kind == FINE for seed in c.seeds]
    assert sum(together) >= 0.95 * len(together) and sum(fine) <= 0.05 * len(fine)


def test_the_page_has_the_table(alarms):
    """The rates that docs/diagnostics.md states are those that are measured here."""
    page = (ROOT / "docs" / "diagnostics.md").read_text("utf-8")
    names = {FINE: "identifiable", REDUNDANT: "redundant", TOGETHER: "known together",
             "one-sided": "bounded on one side", LOST: "wrong minimum or model"}  # fmt: skip
    for kind, name in names.items():
        sick, well = rates(alarms, {kind})
        right, count = well if kind == FINE else sick
        models = sum(case.kind == kind for case in CASES)
        assert f"| {name} | {models} | {right} of {count} |" in page, (name, models, right, count)


# -------------------------------------------------------------------------- what others reported

X6, Y6 = np.array([77.87, 87.76, 68.6, 66.29]), np.array([1, 1, 0.8, 0.6])
FLIP = np.array([0.1, 0.2, 0.4, 0.6, 1, 2, 3, 6, 12])
CONC = np.log10([4.91, 8.65, 12.4, 18.7, 24.3, 24.5, 18.4, 4.66, 0.238])


def flip_flop(t, ka, cl, v):
    k = cl / v
    return np.log10(ka * 1000 / (v * (ka - k)) * (np.exp(-k * t) - np.exp(-ka * t)))


def growth(x, a, b, c, d):
    return a / c * (1 - np.exp(-c * x / b)) ** d


def lives(seed):
    """public case 13: the profile of a1 has no end on one side for seeds 3, 10 and 15."""
    x = np.linspace(0.3, 10, 100)
    noise = 0.2 * np.random.default_rng(seed).normal(size=100)
    y = 3 * np.exp(-x / 2) - 5 * np.exp(-x / 10) + noise
    return two_lives, x, y, (5, -5, 2, 5), {"sigma": np.full(100, 0.2), "absolute_sigma": True}


def public(name):
    case = PUBLIC[name]
    return case.model, case.x, case.y, case.p0, {} if case.sigma is None else {"sigma": case.sigma}


def cubic(x, a, b, c, d):
    return a * x**3 + b * x**2 + c * x + d


Y30 = 0.01 * (6 * T - 10) ** 2 + 2.5 * (Y - decay(T, 2.0, 1.0, 0.5))
YEARS = cubic, 6 * T + 1990, Y30, (1, 1, 1, 1), {}
TWO_FREE = "a, b, c: only a/c and b/c are determined"
BOUNDED = {"bounds": ([100, 1000, 0.5, 0.5], [200, 1e5, 3, 3])}
COUNTS = PUBLIC["covid counts, default start"]
REPORTED = {  # how it is fitted, and what must be said; () where nothing is wrong
    "counts, default start": (
        public("covid counts, default start"),
        ("the model explains 0 % of y: wrong model or minimum", "a, b: the model does not respond"),
    ),
    "counts": ((decay, COUNTS.x, COUNTS.y, (1.9, -0.1, -173.0), {}), ()),
    "negative amplitude": (public("negative amplitude, default start"), ()),
    "two redundant parameters": ((growth, SEO, np.arange(1.0, 137), (100, 1e4, 0.5, 0.5), {}),
                                 (TWO_FREE,)),
    "the same in a box": ((growth, SEO, np.arange(1.0, 137), (150, 1e4, 0.6, 0.6), BOUNDED),
                          (TWO_FREE,)),
    "four points": (
        (lambda x, a, b, c: a * (1 - np.exp(-x / b)) + c, X6, Y6, (1, 75, -5), {}),
        ("a, c: only a + c is known well",),
    ),
    "a step": (
        public("logistic slope without end"),
        ("d is bounded only from below", "c, d: only c + 16*d is known well"),
    ),
    "tiny units with sigma": (public("tiny units with sigma"), ()),
    "tiny units": (public("tiny units"), ()),
    "one width away": (public("a line of 6e7, one width off"), ()),
    "two exponentials": (public("two exponentials, either label"), ()),
    "far from 0, default start": (
        public("decay far from 0, default start"),
        ("not converged", "the model explains 0 % of y: wrong model or minimum"),
    ),
    "flip-flop": ((flip_flop, FLIP, CONC, (0.92, 9.8, 19), {}), ()),
    "a step, from another side": (
        (lambda x, a, b, x0: np.where(x < x0, a, b), T, np.where(T < 2.02, 1.0, 3.0) + 0.1 * Y,
         (1, 3, 3.3), {}), ("x0: the model does not respond",),
    ),
    "years": (
        (lambda x, a, b, c: a * x**2 + b * x + c, T + 2000, (T - 2) ** 2 + 0.05 * np.cos(9 * T),
         (1, -4000, 4e6), {}), (),
    ),
    "too few years": (YEARS, ("a, b, c, d: the data know them together",)),
    "a pulse that nobody reached": (
        (lambda t, a, mu, s: a * np.exp(-(((t - mu) / s) ** 2)), T, np.exp(-5 * (T - 2) ** 2) + Y,
         (1, 90, 1), {}), ("not converged",),
    ),
    "data without a curve": ((decay, T, np.ones(40), (1, 1, 1), {}), ("k: not determined",)),
    "data of nothing": ((decay, T, np.zeros(40), (1, 1, 1), {}), ("k: not determined",)),
    "a factor and a shift": (
        (lambda x, a, b, k: a * np.exp(b - k * x), T, 5 * np.exp(-0.6 * T), (1, 1, 1), {}),
        ("a, b: only a*exp(b) is determined",),
    ),
    "two lives, 0": (lives(0), ()),
    "two lives, 1": (lives(1), ()),
    "two lives, 2": (lives(2), ()),
    "two lives, 3": (lives(3), ("a1 is bounded only from below", "only a1 + a2 is known well")),
    "two lives, 10": (lives(10), ("a1 is bounded only from below", "only a1 + a2 is known well")),
    "two lives, 15": (lives(15), ("a1 is bounded only from below", "only a1 + a2 is known well")),
}  # fmt: skip


@pytest.mark.parametrize("name", REPORTED)
def test_the_right_sentence_on_what_others_reported(name):
    (f, x, y, p0, options), wanted = REPORTED[name]
    report = fitted(f, x, y, p0, **options).diagnose()
    facts = [f.fact for f in report.alarms if f.code in OF_PARAMETERS | OF_THE_END]
    assert all(any(said in fact for fact in facts) for said in wanted), report.summary()
    assert wanted or not facts, report.summary()
    assert ("in x less its mean" in report.summary()) == ("too few years" in name)
    assert len(report.summary().splitlines()) <= 12


@pytest.mark.parametrize("problem", PROBLEMS, ids=str)
def test_no_alarm_at_certified_values(problem):
    """Some of these are sloppy to eight decades and known to nine digits."""
    report = nlsq.curve_fit(problem.model_numpy, problem.x, problem.y, problem.certified).diagnose()
    assert report.status == "healthy", report.summary()


# ------------------------------------------------------------------------------------------- units

SCALED = {
    "fine": (decay, T, Y, (1, 1, 1)),
    "together": (saturation, np.linspace(0, 0.02, 60), None, (1.0, 2.0)),
    "redundant": (lambda x, a, b, c: a * b * x + c, T, 6 * T + 1 + 0.1 * np.cos(9 * T), (1, 2, 1)),
    "step": public("logistic slope without end")[:4],
    "two lives": lives(3)[:4],
}


def in_units(e, y, p):
    """The evidence of the same fit with y in units of 1/y, parameters in units of 1/p (n,)."""
    return dataclasses.replace(
        e, values=e.values * p, R=e.R * y / p, covariance=e.covariance * np.outer(p, p),
        null_directions=tuple(
            {n: c * p[e.names.index(n)] for n, c in d.items()} for d in e.null_directions
        ),
        cost=e.cost * y**2, noise=e.noise * y**2, total=e.total * y**2, jacobian=e.jacobian * y / p,
        residuals=e.residuals * y, y=e.y * y, fitted=e.fitted * y,
        gradient=e.gradient * y**2 / p, bounds=tuple(b * p for b in e.bounds),
        residual_at=lambda q: e.residual_at(q / p) * y,
        jacobian_at=lambda q: e.jacobian_at(q / p) * y / p,
    )  # fmt: skip


@pytest.mark.parametrize("name", SCALED)
def test_units_change_no_verdict(name):
    f, x, y, p0 = SCALED[name]
    if y is None:
        y = f(x, 3, 5) + 1e-4 * np.random.default_rng(0).normal(size=x.size)
    evidence = evidence_of(fitted(f, x, y, p0))[0]
    n = len(evidence.names)
    plain = diagnose(evidence)
    for scale, powers in [(1e12, [0] * n), (1e-12, [0] * n), (1, [12, -12, 7, -3][:n]),
                          (1e-12, [-12] * n), (1e9, [3, 3, -9, 12][:n])]:  # fmt: skip
        units = 10.0 ** np.array(powers)
        if "a1 + a2" in plain.summary() or "c + 16" in plain.summary():
            units[:] = units[0]  # a sum needs one unit
        scaled = diagnose(in_units(evidence, scale, units))
        assert [(f.code, f.severity, f.parameters) for f in scaled.alarms] == [
            (f.code, f.severity, f.parameters) for f in plain.alarms
        ]
        if (units == units[0]).all():
            assert [f.fact for f in scaled.alarms] == [f.fact for f in plain.alarms]


# --------------------------------------------------------------------------- where a report is had


def numbers(report):
    return [(f.code, f.fact) for f in report.findings]


def streamed(**options):
    return nlsq.fit(decay, T, Y, [1, 1, 1], workflow="chunked", show_progress=False, **options)


def of_parameters(report):
    return [f.fact for f in report.findings if f.code in ("explained", "rank", "spectrum")]


def test_every_road_gives_the_report(monkeypatch):
    plain = nlsq.curve_fit(decay, T, Y)
    report = plain.diagnose()
    assert numbers(nlsq.curve_fit(decay, T, Y, compute_diagnostics=True).diagnostics) == numbers(
        report
    )
    assert numbers(nlsq.CurveFit(compute_diagnostics=True).curve_fit(decay, T, Y).diagnostics)
    assert numbers(nlsq.fit(decay, T, Y, compute_diagnostics=True)["diagnostics"])
    assert numbers(nlsq.fit_many(decay, T, [Y, Y + 1])[0].diagnose()) == numbers(report)
    assert numbers(plain.diagnostics) == numbers(report)
    fits = nlsq.fit_many(decay, T, [Y, np.full(40, 2.0) + Y - Y.mean() * 0, Y])
    assert fits.diagnose().status.tolist() == [fit.diagnose().status for fit in fits]
    said = nlsq.fit_many(decay, T, [Y, np.where(T > 4, np.nan, Y)]).diagnose().summary()
    assert re.fullmatch(r"2 fits: 1 healthy.*\nX not-converged in 1.* \(nan_policy='omit'\)", said)
    with pytest.raises(TypeError, match="diagnose"):
        nlsq.fit_many(decay, T, [Y], compute_diagnostics=True)
    monkeypatch.setenv("NLSQ_SELECTOR_IMPL", "old")
    reference = nlsq.curve_fit(decay, T, Y, compute_diagnostics=True).diagnostics
    assert of_parameters(reference) == of_parameters(report)


def test_a_streamed_fit_needs_one_pass_and_says_what_it_lacks():
    result = streamed()
    before = result.streaming["full_passes"]
    report = result.diagnose()
    assert result.streaming["full_passes"] == before  # the sums of statistics, made once, count not
    assert of_parameters(report) == of_parameters(nlsq.curve_fit(decay, T, Y).diagnose())
    assert report.unknown == ("single residuals, since the data are not here",)
    assert of_parameters(streamed(compute_diagnostics=True)["diagnostics"])


def test_a_restored_fit_says_what_is_still_known():
    result = nlsq.curve_fit(decay, T, Y, compute_diagnostics=True)
    back = nlsq.CurveFitResult.from_json(result.to_json())
    assert back.diagnostics == result.diagnostics
    assert of_parameters(back.diagnose()) == of_parameters(result.diagnose())
    assert "the model is not here" in back.diagnose().unknown[0]
    with pytest.warns(nlsq.OptimizeWarning):  # an infinite condition, which JSON has no word for
        result = nlsq.curve_fit(lambda x, a, b: a + 0 * b * x, T, Y, compute_diagnostics=True)
    assert nlsq.CurveFitResult.from_json(result.to_json()).diagnostics == result.diagnostics


def test_many_stored_fits_keep_what_covariances_say(tmp_path):
    fits = nlsq.fit_many(decay, T, [Y, Y + 1], backend="numpy")
    fits.save(tmp_path / "fits.npz")
    back = nlsq.CurveFits.load(tmp_path / "fits.npz")[0].diagnose()
    assert [f.fact for f in back.findings if f.code == "rank"] == [
        f.fact for f in fits[0].diagnose().findings if f.code == "rank"
    ]
    assert back.unknown


def test_residuals_alone_tell_what_is_determined():
    found = nlsq.least_squares(lambda p: p[0] * p[1] * T - 6 * T, {"a": 1.0, "b": 2.0})
    report = found.diagnose()
    assert report.findings[0].fact == "a, b: only a*b is determined"
    assert report.unknown == ("values away from the fit, since the model is not here",)
    held = nlsq.least_squares(
        lambda p: decay(T, *p) - Y, [1, 2, 0.5], fixed="c", names=("a", "k", "c")
    )
    assert "2 of 2 free parameters determined" in held.diagnose().summary()
    bare = nlsq.CurveFitResult(x=np.array([2.0, 1.0]), pcov=np.diag([0.01, 0.02])).diagnose()
    assert "2 of 2 free parameters determined" in bare.summary()


def short_tempered(x, a, b):
    """Refuses what a diagnosis asks of it."""
    if a > 100:
        raise ValueError("a is too large")
    return a * np.exp(-b * x)


def waves(x, a, b):
    return a * np.exp(1j * b * x)


Z = waves(T, 2.0, 1.3) + 0.1 * np.exp(7j * T**2)
OF_EVERY_KIND = {
    "a model that raises": (short_tempered, x_late := np.linspace(4, 6, 30),
                            short_tempered(x_late, 3, 0.5) + 0.02 * np.cos(90 * x_late**2), {}),
    "complex": (waves, T, Z, {"p0": (1.5, 1.25)}),
    "covariance": (decay, T, Y, {"sigma": 4e-4 * np.eye(40) + 1e-4}),
    "weight 0": (decay, T, Y, {"sigma": np.where(T[3] == T, np.inf, 0.02)}),
    "robust": (decay, T, Y, {"loss": "soft_l1", "f_scale": 0.05}),
    "fixed": (decay, T, Y, {"fixed": {"c": 0.5}}),
    "all fixed": (decay, T, Y, {"fixed": {"a": 2.0, "k": 1.0, "c": 0.5}}),
    "a search": (decay, T, Y, {"method": "global"}),
    "exact": (decay, T, decay(T, 2.0, 1.0, 0.5), {}),
}  # fmt: skip


def product(x, a, b, c):
    return a * b * x + c


def saturation(x, v, k):
    return v * x / (k + x)


@pytest.mark.parametrize(
    ("f", "p", "scales"),
    [(product, (2, 3, 1), (1, 0, 1)), (product, (2, 3, 1), (0, -1, 0)),
     (saturation, (2, 400), (1, 0)), (saturation, (2, 400), (0, 1))],
)  # fmt: skip
def test_far_units_change_no_finding(f, p, scales):
    """Of y, or of x, by whose squares the numbers of a diagnosis end; warnings are errors here."""
    found, x = [], np.linspace(0.1, 4, 40)
    noisy = f(x, *p) * (1 + 0.01 * np.cos(90 * x**2))
    for unit in (1.0, 1e-140, 1e140):
        p0, height = np.array(p) * unit ** np.array(scales), unit ** scales[0]
        width = unit if not scales[0] else 1.0
        report = fitted(f, x * width, noisy * height, p0).diagnose()
        found.append([(one.code, one.severity) for one in report.findings])
    assert found[0] == found[1] == found[2]


@pytest.mark.parametrize("kind", OF_EVERY_KIND)
def test_fits_of_every_kind_are_healthy(kind):
    f, x, y, options = OF_EVERY_KIND[kind]
    report = fitted(f, x, y, compute_diagnostics=True, **options).diagnostics
    assert report.is_healthy and not report.unknown, report.summary()


def test_a_fit_that_failed_brings_its_report():
    with pytest.raises(nlsq.FitError) as caught:
        nlsq.curve_fit(decay, T, Y, p0=[30, 9, 0], max_nfev=2, compute_diagnostics=True)
    report = caught.value.result.diagnostics
    assert report.status == "critical" and report.findings[0].code == "not-converged"


def test_bounds_and_degrees_of_freedom():
    report = nlsq.curve_fit(decay, T, Y, bounds=(0, [1.5, 9, 9])).diagnose()
    assert "a is at its upper bound: errors do not account for that" in report.summary()
    for m, sizes in ((2, "2 data values for 2 free parameters"), (1, "1 data value for 1 free p")):
        fixed = {"b": 1.0} if m == 1 else {}
        report = fitted(line, [1.0, 2.0][:m], [1, 3.0][:m], fixed=fixed).diagnose()
        assert f"! {sizes}" in report.summary()
    held = nlsq.curve_fit(decay, T, Y, fixed={"c": 0.5}).diagnose()
    assert "2 of 2 free parameters determined" in held.summary()


# ----------------------------------------------------------------------------------- the analysers


def test_from_a_jacobian_alone_and_from_its_information():
    x = np.linspace(0, 1, 30)
    J = np.stack([np.exp(-x), np.exp(-1.2 * x), x], axis=1)
    scaled = J / np.linalg.norm(J, axis=0)
    for analyzer, read in (
        (IdentifiabilityAnalyzer(), lambda r: r.condition_number),
        (ParameterSensitivityAnalyzer(), lambda r: np.sqrt(r.eigenvalues[0] / r.eigenvalues[-1])),
    ):
        for report in (analyzer.analyze(1e9 * J), analyzer.analyze_from_fim(1e-9 * J.T @ J)):
            assert read(report) == pytest.approx(np.linalg.cond(scaled), rel=1e-6)
    report = IdentifiabilityAnalyzer().analyze(J, names=("a", "b", "c"))
    assert report.highly_correlated_pairs[0][:2] == ("a", "b")
    inverse = np.linalg.inv(J.T @ J)
    error = np.sqrt(np.diagonal(inverse))
    assert report.correlation_matrix == pytest.approx(inverse / np.outer(error, error), abs=1e-9)
    with pytest.raises(ValueError, match="negative eigenvalue"):
        IdentifiabilityAnalyzer().analyze_from_fim([[1.0, 2.0], [2.0, 1.0]])
    with pytest.raises(ValueError, match="array \\(points, parameters\\)"):
        IdentifiabilityAnalyzer().analyze([1.0, 2.0])


def test_sloppy_directions_by_name():
    x = np.linspace(0, 1, 30)
    J = np.stack([np.exp(-x), np.exp(-1.0001 * x), np.sin(9 * x)], axis=1)
    report = ParameterSensitivityAnalyzer().analyze(J, names=("a", "b", "c"))
    (direction,) = report.get_sloppy_combinations()
    calm = ParameterSensitivityAnalyzer(DiagnosticsConfig(sloppy_threshold=1e-15)).analyze(J)
    assert calm.sloppy_indices == [] and report.sloppy_indices == [2]
    assert abs(direction["a"]) == pytest.approx(0.5**0.5, rel=1e-3)
    assert abs(direction["c"]) < 1e-3 and 1.5 < report.effective_dimensionality < 3


def mm():
    x = np.linspace(0.01, 0.5, 60)
    noise = 0.03 * np.random.default_rng(0).normal(size=60)
    return fitted(saturation, x, saturation(x, 3, 5) + noise, (2.0, 3.0))


THRESHOLDS = {  # each at a value at which a fact comes (True) or goes (False)
    "correlation_threshold": (lambda: fitted(decay, T, Y), 0.5, "strongly correlated", True),
    "condition_threshold": (lambda: fitted(decay, T, Y), 1.5, "nearly dependent", True),
    "rank_tolerance": (lambda: fitted(decay, T, Y), 0.5, "determined, condition inf", True),
    "gradient_threshold": (lambda: fitted(decay, T, Y), 1e-18, "the end is no minimum", True),
    "explained_threshold": (lambda: fitted(line, T, np.cos(40 * T)), 1e-9, "wrong model", False),
    "relative_error": (mm, 90.0, "is known well", False),
    "inflation_threshold": (mm, 1e9, "is known well", False),
    "known_well": (mm, 1e-9, "none alone", True),
}


@pytest.mark.parametrize("name", THRESHOLDS)
def test_a_threshold_acts(name):
    make, value, text, comes = THRESHOLDS[name]
    result = make()
    assert (text in result.diagnose().summary()) is not comes
    assert (text in result.diagnose(DiagnosticsConfig(**{name: value})).summary()) is comes


def test_what_are_no_thresholds_is_refused_before_the_fit():
    for options in ({"diagnostics_config": 3}, {"compute_diagnostics": "no"}):
        for fit in (nlsq.curve_fit, nlsq.fit):
            with pytest.raises(TypeError, match=r"DiagnosticsConfig, got 3|bool, got 'no'"):
                fit(decay, T, Y, **options)
    with pytest.raises(TypeError, match="DiagnosticsConfig, got 0"):
        nlsq.curve_fit(decay, T, Y).diagnose(0)


def test_thresholds_are_positive_numbers():
    for wrong in (0, -1, "much", True, float("nan")):
        with pytest.raises(ValueError, match="relative_error must be a positive number"):
            DiagnosticsConfig(relative_error=wrong)
    with pytest.raises(TypeError):
        DiagnosticsConfig(threshold=1)


# ------------------------------------------------------------------------------------ the gradient


def monitored(records, **config):
    monitor = GradientMonitor(DiagnosticsConfig(**config))
    for cost, cosines in records:
        monitor.record_gradient(cosines, cost)
    return monitor.get_report(("a", "b"))


def test_what_the_gradient_did():
    healthy = [(10.0 * 0.1**k, (0.5 * 0.1**k, 0.3 * 0.1**k)) for k in range(15)]
    assert not monitored(healthy).findings
    stuck = [(1.0 - 1e-6 * k, (0.4, 0.2)) for k in range(15)]
    assert monitored(stuck).stagnation_detected
    assert not monitored(stuck, stagnation_window=20).stagnation_detected
    flat = [(1.0, (1e-9, 1e-10))] * 4
    assert monitored(flat).vanishing_detected
    lame = [(10.0 * 0.5**k, (0.5, 1e-8)) for k in range(5)]
    report = monitored(lame)
    assert report.imbalance_detected and report.findings[0].parameters == ("b",)
    assert not monitored(lame, imbalance_threshold=1e9).imbalance_detected
    assert not monitored(flat, vanishing_threshold=1e-12).vanishing_detected
    assert not monitored(stuck, stagnation_tolerance=1e-9).stagnation_detected
    assert monitored([]).n_iterations == 0


def test_rounding_has_no_gradient():
    """The residuals of an exact fit are rounding: no slope of theirs is an alarm."""
    exact = evidence_of(fitted(decay, T, decay(T, 2.0, 1.0, 0.5)))[0]
    stuck = [(1e-33, np.array([0.4, 0.2, 0.1]))] * 15
    rounded = dataclasses.replace(exact, history=stuck, gradient=np.ones(3), cost=1e-33)
    assert gradient.analyse(rounded) == []
    rough = dataclasses.replace(rounded, total=2e-32, y=None, residuals=None)
    assert gradient.analyse(rough) != []


def test_the_monitor_records_what_the_loop_saw():
    monitor, seen = GradientMonitor(), []
    callback = monitor.create_callback(lambda nit, cost, p, info: seen.append(info["optimality"]))
    result = nlsq.curve_fit(decay, T, Y, p0=[1, 3, 1], callback=callback)
    tops = [np.abs(g).max() for _, g in monitor.history]
    assert tops == pytest.approx(seen) and len(tops) == result.nit + 1
    J, r = result.jac, result.fun
    cosines = J.T @ r / np.linalg.norm(J, axis=0) / np.linalg.norm(r)
    assert np.abs(monitor.history[-1][1] - cosines).max() < 1e-9


@pytest.mark.parametrize(
    "options", [{"tr_solver": "lsmr"}, {"method": "dogbox"}, {"bounds": (0, 9)}], ids=str
)
def test_every_loop_gives_its_gradient(options):
    monitor = GradientMonitor()
    nlsq.curve_fit(decay, T, Y, callback=monitor.create_callback(), **options)
    assert len(monitor.history) > 2 and monitor.get_report().final_gradient < 1e-3


# ---------------------------------------------------------------------------------- the user's jac


def decay_jac(x, a, k, c):
    e = np.exp(-k * x)
    return np.stack([e, -a * x * e, np.ones_like(x)], axis=1)


JACOBIANS = {  # by what each column is multiplied, and of which the report complains
    "right": ((1, 1, 1), ()),
    "rounded": ((1, 1 + 1e-6, 1), ()),
    "a factor": ((2, 2, 2), ("a", "k", "c")),
    "a sign": ((1, -1, 1), ("k",)),
    "forgotten": ((1, 1, 0), ("c",)),
}


@pytest.mark.parametrize("kind", JACOBIANS)
@pytest.mark.parametrize("shift", [0.0, 1e9], ids=["x", "x from 1e9"])
def test_a_wrong_jac_is_told(kind, shift):
    """Twice the derivative finds the same minimum, with half the errors."""
    factors, wanted = JACOBIANS[kind]
    how = {"jac": lambda x, a, k, c: decay_jac(x - shift, a, k, c) * factors, "p0": (2, 1, 0.5)}
    fit = fitted(lambda x, a, k, c: decay(x - shift, a, k, c), T + shift, Y, **how)
    found = [f.parameters for f in fit.diagnose().alarms if f.code == "jac"]
    assert found == ([wanted] if wanted else [])


# --------------------------------------------------------------------------------------- the report


def test_twelve_lines_at_most_and_back_from_a_dict():
    many = [Finding("rank", Severity.INFO, f"fact {k}", float(k)) for k in range(20)]
    many[7] = Finding("dead", Severity.CRITICAL, "b does nothing", 0.0, "fix it", ("b",))
    report = create_health_report(many, "Fit of f", ["residuals"])
    lines = report.summary().splitlines()
    remarked = [*many[:7], Finding("tails", Severity.INFO, "long tails", 9.0, "take a loss")]
    assert create_health_report(remarked).verdict == "1 remark"
    assert len(lines) == 12 and lines[1] == "X b does nothing: fix it"
    assert lines[0] == "Fit of f: critical, 1 alarm" and lines[-1] == "? not looked at: residuals"
    assert HealthReport.from_dict(report.to_dict()) == report
    assert repr(report) == "HealthReport(critical: dead)" and str(report) == report.summary()
    assert "\n".join(str(report.__rich__()).splitlines()) == report.summary()


def test_no_values_no_names():
    """Without the model or the values two names of one tangent are not told apart."""
    evidence = evidence_of(fitted(lambda x, a, b: a * b * x, T, 6 * T, (1, 2)))[0]
    assert IdentifiabilityAnalyzer.analyse(evidence)[0].fact == "a, b: only a*b is determined"
    blind = dataclasses.replace(
        evidence, residual_at=None, jacobian_at=None, values=np.array([2.0, 2.0]),
        null_directions=({"a": 0.5**0.5, "b": -(0.5**0.5)},),
    )  # fmt: skip
    assert "only 1 combination" in IdentifiabilityAnalyzer.analyse(blind)[0].fact
    nothing = dataclasses.replace(evidence, R=None)
    assert (
        IdentifiabilityAnalyzer.analyse(nothing)
        == []
        == ParameterSensitivityAnalyzer.analyse(nothing)
    )
    assert isinstance(evidence, Evidence)
