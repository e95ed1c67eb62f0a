"""What the data determine: rank, condition, correlations, and combinations by name.

Everything is read off the Jacobian with its columns scaled to length 1, and off errors as shares of
the values, so that units decide nothing. A large condition is no alarm by itself: NIST's problems
have up to 10^5 and fine errors.

References: A. Raue et al., Bioinformatics 25 (2009) on structural and practical identifiability;
D. A. Belsley, E. Kuh, R. E. Welsch, "Regression Diagnostics" (1980), ch. 3, on scaled conditions.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np

from nlsq.diagnostics import combinations, one_sided
from nlsq.diagnostics.config import DEFAULT, DiagnosticsConfig
from nlsq.diagnostics.evidence import Directions, Evidence
from nlsq.diagnostics.explained import is_right_end
from nlsq.diagnostics.finding import CRITICAL, INFO, WARNING, Finding, WithFindings, listed

_MOST_PAIRS = 3  # that a line lists
_FAR = 0.1  # of |x|, which a range of x below that calls far from 0
_MOST = 12  # ill known parameters that are looked at


@dataclasses.dataclass(frozen=True)
class IdentifiabilityReport(WithFindings):
    """What an `IdentifiabilityAnalyzer` found.

    Attributes
    ----------
    condition_number : float
        Of the Jacobian with its columns scaled to length 1.
    numerical_rank, n_params : int
        Determined directions, and free parameters.
    correlation_matrix : ndarray (n, n)
        NaN for fixed and undetermined parameters.
    highly_correlated_pairs : list of (name, name, correlation)
        The strongest first.
    findings : list of Finding
    """

    condition_number: float
    numerical_rank: int
    n_params: int
    correlation_matrix: np.ndarray
    highly_correlated_pairs: list[tuple[str, str, float]]
    findings: list[Finding]


class IdentifiabilityAnalyzer:
    """Which parameters, and which combinations of them, the data determine.

    Parameters
    ----------
    config : DiagnosticsConfig, optional

    Examples
    --------
    >>> import numpy as np
    >>> x = np.arange(6.0)
    >>> report = IdentifiabilityAnalyzer().analyze(np.stack([x, 2 * x, x**2], axis=1))
    >>> report.numerical_rank, report.n_params
    (2, 3)
    """

    def __init__(self, config: DiagnosticsConfig = DEFAULT):
        self.config = config

    def analyze(self, what: Any, names: Any = None) -> IdentifiabilityReport:
        """From a fit's `Evidence`, or from a Jacobian (m, n) alone.

        Raises
        ------
        ValueError
            When it is neither, or the Jacobian was not kept.
        """
        evidence = what if isinstance(what, Evidence) else Evidence.of_jacobian(what, names)
        d = evidence.directions
        if d is None:
            raise ValueError("the Jacobian of this fit is not known")
        correlation = _correlation(evidence, d)
        pairs = _pairs(evidence, correlation, self.config.correlation_threshold)
        dependent, findings, settled = self._free_directions(evidence, d)
        condition = d.condition if not dependent else math.inf
        findings += self._ill_known(evidence, settled)
        findings = _without_repetition(findings)
        unsaid = _unsaid(evidence, findings)
        findings += unsaid
        rank = int(evidence.free.sum()) - dependent - sum(len(f.parameters) for f in unsaid)
        findings += self._conditioning(evidence, condition, rank, bool(findings))
        if pairs and (evidence.undetermined or not dependent):
            texts = [f"{a}, {b} ({_near_one(r)})" for a, b, r in pairs]
            fact = f"strongly correlated: {listed(texts, _MOST_PAIRS)}"
            findings.append(Finding("correlated", INFO, fact, abs(pairs[0][2]), "", pairs[0][:2]))
        return IdentifiabilityReport(
            condition, rank, int(evidence.free.sum()), correlation, pairs, findings
        )

    def analyze_from_fim(self, fim: Any, names: Any = None) -> IdentifiabilityReport:
        """From the Fisher information J^T J (n, n); half of the Jacobian's digits are in it."""
        return self.analyze(root_of_information(fim), names)

    # -- what is not determined at all -------------------------------------------------------------

    def _free_directions(
        self, evidence: Evidence, d: Directions
    ) -> tuple[int, list[Finding], set[str]]:
        """How many directions the model does not notice, what is to be said, and of whom all is."""
        names = evidence.names
        dead = evidence.free.copy()
        dead[d.places] = False
        findings, settled = [], set()
        if dead.any():
            which = tuple(n for n, lost in zip(names, dead, strict=True) if lost)
            fact = f"{listed(which)}: the model does not respond"
            it = "it" if len(which) == 1 else "them"
            remedy = f"start nearer to the data, fix {it}, or, where it jumps, take method='cmaes'"
            findings.append(Finding("dead", CRITICAL, fact, 0.0, remedy, which))
        free = free_directions(evidence, self.config)
        for places, rows in _groups(free):
            known = combinations.name_free(evidence, places, rows[:, places])
            findings.append(_of_group(names, places, len(rows), known))
            settled |= set(findings[-1].parameters if known else ())
        return int(dead.sum()) + len(free), findings, settled

    # -- what is determined badly ------------------------------------------------------------------

    def _ill_known(self, evidence: Evidence, settled: set[str]) -> list[Finding]:
        found = ill_known(evidence, self.config)
        findings = [] if found is None else self._together(*found)
        return findings + one_sided.analyse(evidence, self.config, settled)

    def _together(self, part: Evidence, members: list[int]) -> list[Finding]:
        named = combinations.known_pairs(part, members, self.config.known_well)
        far = part.x is not None and np.ptp(part.x) < _FAR * np.abs(part.x).max(initial=0.0)
        centre = "write the model in x less its mean, or " if far else ""
        findings = []
        for known in named:
            a, b = (part.names[i] for i in known.places)
            fact = f"{a}, {b}: only {known.text} is known well"
            remedy = f"{centre}fit {known.text} in place of {a} and {b}, or fix one of them"
            findings.append(Finding("near-null", WARNING, fact, known.share, remedy, (a, b)))
        if len(members) > 1 and not named:
            which = tuple(part.names[i] for i in members)
            fact = f"{listed(which)}: the data know them together, none alone"
            remedy = f"{centre}fix one of them, or add data where they act differently"
            findings.append(Finding("near-null", WARNING, fact, None, remedy, which))
        return findings

    def _conditioning(
        self, evidence: Evidence, condition: float, rank: int, told: bool
    ) -> list[Finding]:
        n = int(evidence.free.sum())
        if rank == n and condition > self.config.condition_threshold and not told:
            fact = f"the columns of the Jacobian are nearly dependent: condition {condition:.1e}"
            remedy = "write the model in x less its mean, or in other parameters"
            return [Finding("condition", WARNING, fact, condition, remedy)]
        what = f"{rank} of {n} free parameters determined"
        if rank == n and evidence.undetermined:  # here, and not far away, which is said above
            what = f"the Jacobian has rank {rank} of {n}"
        fact = f"{what}, condition {condition:.2g}"
        return [Finding("rank", INFO, fact, condition)]


def analyse(evidence: Evidence, config: DiagnosticsConfig = DEFAULT) -> list[Finding]:
    """The findings alone; none where the Jacobian is not known."""
    if evidence.directions is None:
        return []
    return IdentifiabilityAnalyzer(config).analyze(evidence).findings


def _without_repetition(findings: list[Finding]) -> list[Finding]:
    """A parameter that is bounded on one side does not respond because it lies beyond."""
    beyond = {n for f in findings if f.code == "one-sided" for n in f.parameters}
    return [f for f in findings if f.code != "dead" or not set(f.parameters) <= beyond]


def _unsaid(evidence: Evidence, findings: list[Finding]) -> list[Finding]:
    """What the fit calls undetermined and no finding names: its Jacobian alone does not tell."""
    said = {name for f in findings for name in f.parameters}
    which = tuple(name for name in evidence.undetermined if name not in said)
    if not which:
        return []
    it = "it" if len(which) == 1 else "them"
    fact = f"{listed(which)}: not determined: values far away fit as well"
    return [Finding("rank", CRITICAL, fact, 0.0, f"fix {it}, or add data that tell", which)]


def free_directions(evidence: Evidence, config: DiagnosticsConfig) -> np.ndarray:
    """(k, n) along which the model, of what it responds to, stays as it is.

    The fit's own, or those of the singular values that are rounding, where these are more.
    """
    d, n = evidence.directions, len(evidence.names)
    lost = len(d.values) - d.rank(config.rank_tolerance)
    if not lost and not evidence.null_directions:
        return np.zeros((0, n))
    rows = np.array(
        [[v.get(name, 0.0) for name in evidence.names] for v in evidence.null_directions]
    )
    rows = rows.reshape(-1, n)
    rows = rows[(rows[:, d.places] != 0).any(axis=1)]
    if lost > len(rows):
        rows = np.zeros((lost, n))
        last = d.rows[len(d.values) - lost :]
        rows[:, d.places] = np.where(np.abs(last) > 1e-8, last, 0.0) / d.lengths
    return _apart(rows, np.linalg.norm(evidence.R, axis=0))


def ill_known(evidence: Evidence, config: DiagnosticsConfig) -> tuple[Evidence, list[int]] | None:
    """Parameters that are ill known and inflated, with one of each free direction taken as fixed.

    None where there are none, errors are not known, or the end is no right one.
    """
    if not 0 < evidence.noise < math.inf or evidence.directions is None:
        return None
    part, at_bound, free = evidence, evidence.at_bound != 0, free_directions(evidence, config)
    if len(free) or at_bound.any():
        inside, lengths = evidence.free & ~at_bound, np.linalg.norm(evidence.R, axis=0)
        for row in free:
            inside[int(np.argmax(np.abs(row) * lengths))] = False
        part = dataclasses.replace(evidence, free=inside)
    d = part.directions
    ill = (relative_errors(part) > config.relative_error) & (
        d.inflations >= config.inflation_threshold
    )
    if not ill.any() or d.rank(config.rank_tolerance) < len(d.values):
        return None
    if not is_right_end(evidence, config):
        return None
    order = np.argsort(-d.inflations, kind="stable")  # of many the worst
    return part, sorted(d.places[order[ill[order]][:_MOST]].tolist())


def relative_errors(evidence: Evidence) -> np.ndarray:
    """Standard errors as shares of the values, (k,) as of `Directions.places`; inf at 0."""
    d = evidence.directions
    with np.errstate(divide="ignore", invalid="ignore"):
        errors = math.sqrt(evidence.noise) * d.inflations / d.lengths
        return errors / np.abs(evidence.values[d.places])


def _apart(rows: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Directions of the same span, each with a parameter of its own, rounding taken away."""
    if not len(rows):
        return rows
    scale = np.where(lengths > 0, lengths, 1.0)
    scaled = combinations.echelon(rows * scale)
    largest = np.abs(scaled).max(axis=1, keepdims=True)
    return np.where(np.abs(scaled) > 1e-8 * largest, scaled, 0.0) / scale


def _groups(rows: np.ndarray) -> list[tuple[list[int], np.ndarray]]:
    """(places, directions) of the parameters that directions connect."""
    groups: list[tuple[set[int], list[np.ndarray]]] = []
    for row in rows:
        places, members = set(np.flatnonzero(row).tolist()), [row]
        for group in [g for g in groups if g[0] & places]:
            groups.remove(group)
            places |= group[0]
            members = group[1] + members
        groups.append((places, members))
    return [(sorted(places), np.array(members)) for places, members in groups]


def _of_group(
    names: tuple[str, ...], places: list[int], free: int, known: tuple[str, ...]
) -> Finding:
    which = tuple(names[i] for i in places)
    left, remedy = len(which) - free, "fix one of them" if free == 1 else f"fix {free} of them"
    if len(known) == 1:
        text, remedy = f"only {known[0]} is", f"fit {known[0]} as one parameter, or {remedy}"
    elif known:
        text = f"only {', '.join(known[:-1])} and {known[-1]} are"
    elif left > 0:
        text = f"only {left} combination{'s' if left > 1 else ''} of them"
    else:
        text, remedy = "not", "fix it" if len(which) == 1 else "fix them"
    fact = f"{listed(which)}: {text} determined"
    return Finding("rank", CRITICAL, fact, float(left), remedy, which)


def _correlation(evidence: Evidence, d: Directions) -> np.ndarray:
    """(n, n); NaN for fixed and undetermined parameters."""
    n = len(evidence.names)
    if not d.values.size or d.values[-1] == 0:
        return np.full((n, n), np.nan)
    root = d.rows / d.values[:, None] / d.inflations
    inner = (root.T @ root).clip(-1.0, 1.0)
    if len(d.places) == n and not evidence.undetermined:
        return inner
    out = np.full((n, n), np.nan)
    out[np.ix_(d.places, d.places)] = inner
    lost = [evidence.names.index(name) for name in evidence.undetermined]
    out[lost], out[:, lost] = np.nan, np.nan
    return out


def _near_one(r: float) -> str:
    """A correlation with two digits of what is missing to 1.

    Examples
    --------
    >>> _near_one(0.9612), _near_one(-0.99999876)
    ('+0.961', '-0.9999988')
    """
    missing = max(1 - abs(r), 1e-12)
    return f"{r:+.{max(3, 1 - math.floor(math.log10(missing)))}f}"


def _pairs(
    evidence: Evidence, correlation: np.ndarray, threshold: float
) -> list[tuple[str, str, float]]:
    strong = np.argwhere(np.abs(correlation) > threshold).tolist()
    found = [
        (evidence.names[i], evidence.names[j], float(correlation[i, j])) for i, j in strong if i < j
    ]
    return sorted(found, key=lambda pair: -abs(pair[2]))


def root_of_information(fim: Any) -> np.ndarray:
    """R (n, n) with R^T R the given matrix.

    Raises
    ------
    ValueError
        When it is not symmetric, or has a negative eigenvalue beyond rounding.
    """
    fim = np.asarray(fim, float)
    if fim.ndim != 2 or fim.shape[0] != fim.shape[1] or not np.isfinite(fim).all():
        raise ValueError(f"J^T J is a square array of finite numbers, got shape {fim.shape}")
    size = np.sqrt(np.abs(np.diagonal(fim)))
    scale = np.where(size > 0, size, 1.0)
    scaled = fim / scale / scale[:, None]
    values, vectors = np.linalg.eigh((scaled + scaled.T) / 2)
    worst_value = values.min(initial=0.0)
    if np.abs(scaled - scaled.T).max(initial=0.0) > 1e-8 or worst_value < -1e-8:
        raise ValueError("J^T J must be symmetric and have no negative eigenvalue")
    return np.sqrt(np.maximum(values, 0.0))[:, None] * vectors.T * scale
