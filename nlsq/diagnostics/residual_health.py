"""What the residuals say against a fit, in sentences with their numbers.

What is beyond chance but small beside the variation of y is a remark (INFO), no alarm: hardly any
real data follow their model to the last digit.
"""

from __future__ import annotations

import math

from nlsq.diagnostics.evidence import Evidence
from nlsq.diagnostics.explained import is_right_end
from nlsq.diagnostics.finding import DEFAULT, INFO, WARNING, DiagnosticsConfig, Finding, Severity
from nlsq.diagnostics.patterns import Pattern
from nlsq.diagnostics.residual_tests import MOST_OUTLIERS, Residuals, examine, examine_sums

_MATTERS = 0.1  # residuals, of the standard deviation of y
_FACTOR_MATTERS = 0.2  # a pattern along the fitted values, which few levels of x may make
_UNEVEN = 3.0  # times the noise of the other end
_TAILED = 5.0  # excess kurtosis
_MOST_OUTLIERS = 3  # more are a tail
_WAVES_ALONE = 3.0  # normal score of the neighbours once slow waves are taken off
_NEIGHBOURS = 3.0  # normal score of neighbours that are related
_CLOSEST = 0.98  # correlation of neighbours
_WRONG_SIGMA = 2.0  # times the variance


def analyse(evidence: Evidence, config: DiagnosticsConfig = DEFAULT) -> list[Finding]:
    """What the residuals say against the fit, gravest first.

    Codes: 'exact', 'pattern', 'neighbours', 'chi-squared', 'outlier', 'tails', 'spread', 'skewed'.
    Nothing is said of a fit whose residuals are not known.
    """
    if (evidence.residuals is None and evidence.sums is None) or evidence.dof < 1:
        return []
    if evidence.is_exact:
        told = f"its residuals are {evidence.size:.1g} of y, rounding"
        fact = f"the fit is exact: {told if evidence.size else 'every residual is 0'}"
        return [Finding("exact", INFO, fact, evidence.size)]
    look = examine if evidence.residuals is not None else examine_sums
    seen = look(evidence, config.false_alarms)
    if not is_right_end(evidence, config):  # whose residuals are y, of whatever size it is there
        seen.spread = None
    found = [f for say in _SAID for f in say(evidence, seen)]
    return sorted(found, key=lambda finding: -finding.severity)


def _alarm(condition: bool) -> Severity:
    return WARNING if condition else INFO


def _chance(p: float) -> str:
    return f"(chance {f'{p:.1g}' if p >= 1e-99 else 'below 1e-99'})"


def _pattern(evidence: Evidence, seen: Residuals) -> list[Finding]:
    pattern = seen.pattern
    if pattern is None:
        return []
    along = "the data" if evidence.residuals is None else evidence.axis.name
    size = evidence.unexplained * math.sqrt(pattern.share)
    severity = _alarm(size >= (_MATTERS if along == "x" else _FACTOR_MATTERS))
    fact = _what(pattern, along)
    if severity is INFO and math.isfinite(size):
        fact += f"; it is {100 * size:.2g} % of the deviation of y"
    if _is_slow(pattern):
        remedy = "add the term that is missing, or take another start: this may not be the minimum"
        return [Finding("pattern", severity, fact, pattern.p, remedy)]
    remedy = "the noise is not independent, so that the standard errors do not hold"
    if pattern.correlation > 0:
        c = min(pattern.correlation, _CLOSEST)
        remedy = (
            "a narrow or fast feature is missing from the model, or the noise is correlated and "
            f"the standard errors are about {math.sqrt((1 + c) / (1 - c)):.1f} times too small"
        )
    return [Finding("neighbours", severity, fact, pattern.p, remedy)]


def _what(pattern: Pattern, axis: str) -> str:
    c, chance = pattern.correlation, _chance(pattern.p)
    if pattern.test == "runs":
        expected = f"{pattern.runs} runs of one sign where noise has {pattern.expected_runs:.0f}"
        return f"the residuals keep a pattern along {axis}: {expected} {chance}"
    if pattern.test == "waves" or (pattern.waves > 0 and _is_slow(pattern)):
        share = f"{100 * pattern.waves:.2g} % of the residuals' sum of squares"
        return f"a slow pattern is left along {axis}: {share} {chance}"
    if pattern.test == "lags" and abs(pattern.score) < _NEIGHBOURS:
        return f"a pattern that returns along {axis} is left in the residuals {chance}"
    verb = "agree" if c > 0 else "alternate"
    return f"neighbouring residuals along {axis} {verb}: correlation {c:.2f} {chance}"


def _is_slow(pattern: Pattern) -> bool:
    """Whether slow waves are all that is left of order."""
    return abs(pattern.remaining) < _WAVES_ALONE


def _chi_squared(evidence: Evidence, seen: Residuals) -> list[Finding]:
    if seen.chi_squared is None:
        return []
    reduced, p = seen.chi_squared
    severity = _alarm(not 1 / _WRONG_SIGMA < reduced < _WRONG_SIGMA)
    fact = f"reduced χ² is {reduced:.3g} where sigma promises 1 {_chance(p)}"
    if reduced > 1:
        remedy = f"sigma is {reduced**0.5:.3g} times too small, or the model misses something"
    else:
        remedy = f"sigma is {reduced**-0.5:.3g} times too large, and with it the standard errors"
    return [Finding("chi-squared", severity, fact, reduced, remedy)]


def _outliers(evidence: Evidence, seen: Residuals) -> list[Finding]:
    if seen.outlying is None:
        return []
    where, space, axis = seen.outlying, evidence.space, evidence.axis
    m, count, largest = space.r.size, where.size, float(seen.distances.max())
    reach = evidence.unexplained * math.sqrt(float((space.r[where] ** 2).max()) * m / space.rss)
    severity = _alarm(reach >= _MATTERS and evidence.plain)
    them = "it" if count == 1 else "them"
    remedy = f"check {them}, or fit with loss='soft_l1'"
    if not evidence.plain:
        remedy = f"the loss already gives {them} little weight"
    if count > _MOST_OUTLIERS:
        many = f"{count} or more" if count == MOST_OUTLIERS else str(count)
        fact = f"{many} of {m:,} points lie up to {largest:.3g} standard deviations off"
        return [Finding("tails", severity, fact, largest, remedy)]
    at = [f"{i} (x = {axis.places[i]:.4g})" if axis.name == "x" else f"{i}" for i in where]
    points = f"point {at[0]} lies" if count == 1 else f"points {_joined(at)} lie"
    far = _joined([f"{d:.3g}" for d in seen.distances])
    fact = f"{points} {far} standard deviations from the others"
    return [Finding("outlier", severity, fact, largest, remedy)]


def _joined(items: list[str]) -> str:
    return " and ".join([", ".join(items[:-1])] * (len(items) > 1) + items[-1:])


def _spread(evidence: Evidence, seen: Residuals) -> list[Finding]:
    spread, sigma = seen.spread, evidence.sigma
    if spread is None:
        return []
    factor, grows = max(spread.ratio, 1 / spread.ratio), "grows" if spread.ratio > 1 else "shrinks"
    noise = "the noise"
    remedy = "give sigma for each point: weights make better values and right errors"
    if sigma is not None and (sigma != sigma[0]).any():
        noise = "the noise over sigma"
        remedy = "sigma does not follow the noise: correct it, for better values and right errors"
    along = "the size of the fitted values" if spread.along == "height" else spread.along
    fact = f"{noise} {grows} {factor:.2g} times from the first third to the last along {along}"
    severity = _alarm(factor >= _UNEVEN and evidence.unexplained >= _MATTERS)
    return [Finding("spread", severity, f"{fact} {_chance(spread.p)}", factor, remedy)]


def _shape(evidence: Evidence, seen: Residuals) -> list[Finding]:
    found = []
    if seen.kurtosis is not None and evidence.plain:
        excess, p = seen.kurtosis
        fact = f"the noise has longer tails than normal: excess kurtosis {excess:.2g} {_chance(p)}"
        severity = _alarm(excess >= _TAILED and evidence.unexplained >= _MATTERS)
        found.append(Finding("tails", severity, fact, excess, "fit with loss='soft_l1'"))
    if seen.skewness is not None:
        skewness, p = seen.skewness
        fact = f"the noise is skewed: {skewness:.2g} {_chance(p)}"
        remedy = "fit log(y), or take a likelihood that knows the noise (counts: sigma = √y)"
        found.append(Finding("skewed", INFO, fact, skewness, remedy))
    return found


_SAID = (_pattern, _chi_squared, _outliers, _spread, _shape)
