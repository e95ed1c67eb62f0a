"""What the data determine: rank, condition, correlations, spectrum, and combinations by name.

Everything is read off the Jacobian with its columns scaled to length 1, and off errors as shares of
the values, so that units decide nothing. A large condition is no alarm by itself: NIST's problems
have up to 10^5 and fine errors. Nor is a sloppy model, whose eigenvalues of J^T J spread over many
decades: NIST's Lanczos problems spread over eight and are known to nine digits. It is one where the
data leave the sloppy directions open, and then a model with fewer parameters says as much.

References: A. Raue et al., Bioinformatics 25 (2009) on structural and practical identifiability;
D. A. Belsley, E. Kuh, R. E. Welsch, "Regression Diagnostics" (1980), ch. 3, on scaled conditions;
K. S. Brown, J. P. Sethna, Phys. Rev. E 68 (2003) 021904 and M. K. Transtrum et al., J. Chem. Phys.
143 (2015) 010901 on sloppy models.
"""

from __future__ import annotations

import abc
import dataclasses
import math
from typing import Any

import numpy as np

from nlsq.diagnostics import combinations, one_sided
from nlsq.diagnostics.evidence import Evidence
from nlsq.diagnostics.explained import is_right_end
from nlsq.diagnostics.finding import CRITICAL, INFO, WARNING, DiagnosticsConfig, Finding, listed
from nlsq.utils.digits import near_one

_MOST_PAIRS = 3  # that a line lists
_FAR = 0.1  # of |x|, which a range of x below that calls far from 0
_MOST = 12  # ill known parameters that are looked at
_ROUNDING = 1e-8  # of a direction's largest part
_STIFF = 0.1  # share of the largest eigenvalue from which a direction is stiff


class AbstractAnalyzer(abc.ABC):
    """What is read off a Jacobian, of a fit or alone, by the thresholds of `config`."""

    def __init__(self, config: DiagnosticsConfig | None = None):
        self.config = DiagnosticsConfig.of(config)

    @abc.abstractmethod
    def _report(self, evidence: Evidence) -> Any: ...

    def analyze(self, what: Any, names: Any = None) -> Any:
        """The report on a fit's `Evidence`, or on a Jacobian (m, n) alone; else a ValueError."""
        evidence = what if isinstance(what, Evidence) else Evidence.of_jacobian(what, names)
        if evidence.directions is None:
            raise ValueError("the Jacobian of this fit is not known")
        return self._report(evidence)

    def analyze_from_fim(self, fim: Any, names: Any = None) -> Any:
        """From the Fisher information J^T J (n, n); half of the Jacobian's digits are in it."""
        return self.analyze(root_of_information(fim), names)

    @classmethod
    def analyse(cls, evidence: Evidence, config: DiagnosticsConfig | None = None) -> list[Finding]:
        """The findings alone; none where the Jacobian is not known."""
        return [] if evidence.directions is None else cls(config)._report(evidence).findings


@dataclasses.dataclass(frozen=True)
class IdentifiabilityReport:
    """What an `IdentifiabilityAnalyzer` found."""

    condition_number: float  #: of the Jacobian with its columns scaled to length 1
    numerical_rank: int  #: determined directions
    n_params: int  #: free parameters
    correlation_matrix: np.ndarray  #: (n, n) NaN for fixed and undetermined parameters
    highly_correlated_pairs: list[tuple[str, str, float]]  #: with correlation, the strongest first
    findings: list[Finding]


class IdentifiabilityAnalyzer(AbstractAnalyzer):
    """Which parameters, and which combinations of them, the data determine.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.arange(6.0)
    >>> report = IdentifiabilityAnalyzer().analyze(np.stack([x, 2 * x, x**2], axis=1))
    >>> report.numerical_rank, report.n_params
    (2, 3)
    """

    def _report(self, evidence: Evidence) -> IdentifiabilityReport:
        d, n = evidence.directions, evidence.n_free
        dependent, findings, settled = self._free_directions(evidence)
        rank, condition = n - dependent, math.inf if dependent else d.condition
        if found := together(evidence, self.config):
            findings += _of_ill_known(evidence, *found)
        if one_side := one_sided.analyse(evidence, self.config, settled):
            beyond = set(one_side[0].parameters)  # which is why the model does not respond there
            findings = [f for f in findings if f.code != "dead" or not beyond >= set(f.parameters)]
            findings += one_side
        said = {name for f in findings for name in f.parameters}
        if which := tuple(name for name in evidence.undetermined if name not in said):
            it = "it" if len(which) == 1 else "them"  # which the Jacobian alone does not tell
            fact = f"{listed(which)}: not determined: values far away fit as well"
            remedy = f"fix {it}, or add data that tell"
            findings.append(Finding("rank", CRITICAL, fact, 0.0, remedy, which))
            rank -= len(which)
        if rank == n and condition > self.config.condition_threshold and not findings:
            fact = f"the columns of the Jacobian are nearly dependent: condition {condition:.1e}"
            remedy = "write the model in x less its mean, or in other parameters"
            findings.append(Finding("condition", WARNING, fact, condition, remedy))
        else:
            what = f"{rank} of {n} free parameters determined"
            if rank == n and evidence.undetermined:  # here, and not far away, which is said above
                what = f"the Jacobian has rank {rank} of {n}"
            fact = f"{what}, condition {condition:.2g}"
            findings.append(Finding("rank", INFO, fact, condition))
        correlation = _correlation(evidence)
        strong = np.argwhere(np.abs(correlation) > self.config.correlation_threshold).tolist()
        names = evidence.names
        pairs = [(names[i], names[j], float(correlation[i, j])) for i, j in strong if i < j]
        pairs.sort(key=lambda pair: -abs(pair[2]))
        if pairs and (evidence.undetermined or not dependent):
            texts = [f"{a}, {b} ({'+' * (r > 0)}{near_one(r, 3)})" for a, b, r in pairs]
            fact = f"strongly correlated: {listed(texts, _MOST_PAIRS)}"
            findings.append(Finding("correlated", INFO, fact, abs(pairs[0][2]), "", pairs[0][:2]))
        return IdentifiabilityReport(condition, rank, n, correlation, pairs, findings)

    def _free_directions(self, evidence: Evidence) -> tuple[int, list[Finding], set[str]]:
        """How many directions the model does not notice, what is to be said, and of whom all is."""
        dead = evidence.free.copy()
        dead[evidence.directions.places] = False
        findings, settled = [], set()
        if which := evidence.named(dead):
            fact = f"{listed(which)}: the model does not respond"
            it = "it" if len(which) == 1 else "them"
            remedy = f"start nearer to the data, fix {it}, or, where it jumps, take method='cmaes'"
            findings.append(Finding("dead", CRITICAL, fact, 0.0, remedy, which))
        free = free_directions(evidence, self.config)
        for places, rows in _groups(free):
            known = combinations.name_free(evidence, places, rows[:, places])
            findings.append(_of_group(evidence.names, places, len(rows), known))
            settled |= set(findings[-1].parameters if known else ())
        return int(np.count_nonzero(dead)) + len(free), findings, settled


@dataclasses.dataclass(frozen=True)
class ParameterSensitivityReport:
    """What a `ParameterSensitivityAnalyzer` found, of the k parameters that have an effect."""

    #: (k,) of J^T J with the columns of J scaled to length 1, the largest first; they add up to k
    eigenvalues: np.ndarray
    eigenvectors: np.ndarray  #: (k, k) directions of the scaled parameters, one a column
    names: tuple[str, ...]
    eigenvalue_range: float  #: decades from the largest to the smallest
    effective_dimensionality: float  #: (sum)^2 / sum of squares of the eigenvalues
    stiff_indices: list[int]  #: places of eigenvalues above a tenth of the largest
    sloppy_indices: list[int]  #: ... and of those below ``sloppy_threshold`` of it
    is_sloppy: bool  #: whether the data leave a sloppy direction open
    findings: list[Finding]

    def get_sloppy_combinations(self) -> list[dict[str, float]]:
        """Of each sloppy direction its components by name."""
        return [
            dict(zip(self.names, self.eigenvectors[:, i].tolist(), strict=True))
            for i in self.sloppy_indices
        ]


class ParameterSensitivityAnalyzer(AbstractAnalyzer):
    """Stiff and sloppy directions of a fit, and the smaller model that they suggest.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.linspace(0, 1, 20)
    >>> J = np.stack([np.exp(-x), np.exp(-1.001 * x)], axis=1)
    >>> report = ParameterSensitivityAnalyzer().analyze(J)
    >>> len(report.stiff_indices), len(report.sloppy_indices)
    (1, 1)
    """

    def _report(self, evidence: Evidence) -> ParameterSensitivityReport:
        d = evidence.directions
        values, names = d.values**2, tuple(evidence.names[i] for i in d.places)
        if not values.size:
            return ParameterSensitivityReport(values, d.rows.T, (), 0.0, 0.0, [], [], False, [])
        smallest, largest = float(values[-1]), float(values[0])
        spread = math.log10(largest / smallest) if smallest > 0 else math.inf
        rounding = smallest <= self.config.rank_tolerance**2 * largest
        said = f"{largest:.2g} to " + ("rounding" if rounding else f"{smallest:.1e}")
        fact = f"eigenvalues of J^T J, columns scaled, {said}"
        findings = [Finding("spectrum", INFO, fact, spread)] if values.size > 1 else []
        if left_open := together(evidence, self.config):
            which, worst, known = left_open
            remedy = f"smaller model: fix {worst}"
            if known:
                remedy = f"smaller model: {known[0].text} in place of {', '.join(known[0].names)}"
            fact = f"sloppy in {listed(which)}: {fact}"
            findings = [Finding("sloppy", WARNING, fact, spread, remedy, which)]
        return ParameterSensitivityReport(
            values, d.rows.T, names, spread, float(values.sum()) ** 2 / float(values @ values),
            (values >= _STIFF * largest).nonzero()[0].tolist(),
            (values < self.config.sloppy_threshold * largest).nonzero()[0].tolist(),
            left_open is not None, findings,
        )  # fmt: skip


# -- what is not determined at all -----------------------------------------------------------------


def free_directions(evidence: Evidence, config: DiagnosticsConfig) -> np.ndarray:
    """(k, n) along which the model, of what it responds to, stays as it is.

    The fit's own, or those of the singular values that are rounding, where these are more; each
    with a parameter of its own.
    """
    d, n = evidence.directions, len(evidence.names)
    lost = d.lost(config.rank_tolerance)
    if not lost and not evidence.null_directions:
        return np.zeros((0, n))
    own = [[v.get(name, 0.0) for name in evidence.names] for v in evidence.null_directions]
    rows = np.array(own).reshape(-1, n)
    rows = rows[(rows[:, d.places] != 0).any(axis=1)]
    if lost > len(rows):
        rows, last = np.zeros((lost, n)), d.rows[len(d.values) - lost :]
        rows[:, d.places] = np.where(np.abs(last) > _ROUNDING, last, 0.0) / d.lengths
    scale = np.where(evidence.lengths > 0, evidence.lengths, 1.0)
    scaled = combinations.echelon(rows * scale)
    largest = np.abs(scaled).max(axis=1, keepdims=True)
    return np.where(np.abs(scaled) > _ROUNDING * largest, scaled, 0.0) / scale


def _groups(rows: np.ndarray) -> list[tuple[list[int], np.ndarray]]:
    """(places, directions) of the parameters that directions connect."""
    groups: list[tuple[set[int], list[np.ndarray]]] = []
    for row in rows:
        places, members = set(np.flatnonzero(row).tolist()), [row]
        for group in [g for g in groups if g[0] & places]:
            groups.remove(group)
            places, members = places | group[0], group[1] + members
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


# -- what is determined badly ----------------------------------------------------------------------


def together(
    evidence: Evidence, config: DiagnosticsConfig
) -> tuple[tuple[str, ...], str, list[combinations.Known]] | None:
    """Two or more parameters that are ill known because the others are fitted too.

    Their names, that of the worst, and the pairs of which a combination is known well. One
    parameter of each free direction is taken as fixed. None where there are none, errors are not
    known, or the end is no right one.
    """
    if not 0 < evidence.noise < math.inf:
        return None
    if evidence.directions.condition < config.inflation_threshold:  # which no inflation exceeds
        return None
    part, free = evidence, free_directions(evidence, config)
    if len(free) or (evidence.at_bound != 0).any():
        inside = evidence.moved.copy()
        for row in free:
            inside[int(np.argmax(np.abs(row) * evidence.lengths))] = False
        part = dataclasses.replace(evidence, free=inside)
    d = part.directions
    with np.errstate(divide="ignore", invalid="ignore"):
        relative = (part.errors / np.abs(part.values))[d.places]
    ill = (relative > config.relative_error) & (d.inflations >= config.inflation_threshold)
    if ill.sum() < 2 or d.lost(config.rank_tolerance) or not is_right_end(evidence, config):
        return None
    order = np.argsort(-d.inflations, kind="stable")  # of many the worst
    worst = d.places[order[ill[order]][:_MOST]].tolist()
    known = combinations.known_pairs(part, sorted(worst), config.known_well)
    return tuple(part.names[i] for i in sorted(worst)), part.names[worst[0]], known


def _of_ill_known(
    evidence: Evidence, names: tuple[str, ...], worst: str, known: list[combinations.Known]
) -> list[Finding]:
    x, findings = evidence.x, []
    far = x is not None and np.ptp(x) < _FAR * np.abs(x).max(initial=0.0)
    centre = "write the model in x less its mean, or " if far else ""
    for one in known:
        a, b = one.names
        fact = f"{a}, {b}: only {one.text} is known well"
        remedy = f"{centre}fit {one.text} in place of {a} and {b}, or fix one of them"
        findings.append(Finding("near-null", WARNING, fact, one.share, remedy, one.names))
    if not known:
        fact = f"{listed(names)}: the data know them together, none alone"
        remedy = f"{centre}fix one of them, or add data where they act differently"
        findings.append(Finding("near-null", WARNING, fact, None, remedy, names))
    return findings


# -- correlations ----------------------------------------------------------------------------------


def _correlation(evidence: Evidence) -> np.ndarray:
    """(n, n); NaN for fixed and undetermined parameters."""
    d, n = evidence.directions, len(evidence.names)
    out = np.full((n, n), np.nan)
    if d.values.size and d.values[-1] > 0:
        root = d.rows / d.values[:, None] / d.inflations
        out[d.places[:, None], d.places] = (root.T @ root).clip(-1.0, 1.0)
        for lost in map(evidence.names.index, evidence.undetermined):
            out[lost], out[:, lost] = np.nan, np.nan
    return out


def root_of_information(fim: Any) -> np.ndarray:
    """R (n, n) with R^T R the given matrix.

    A ValueError says that it is not symmetric, or has a negative eigenvalue beyond rounding.
    """
    fim = np.asarray(fim, float)
    if fim.ndim != 2 or fim.shape[0] != fim.shape[1] or not np.isfinite(fim).all():
        raise ValueError(f"J^T J is a square array of finite numbers, got shape {fim.shape}")
    size = np.sqrt(np.abs(np.diagonal(fim)))
    scale = np.where(size > 0, size, 1.0)
    scaled = fim / scale / scale[:, None]
    values, vectors = np.linalg.eigh((scaled + scaled.T) / 2)
    if np.abs(scaled - scaled.T).max(initial=0.0) > 1e-8 or values.min(initial=0.0) < -1e-8:
        raise ValueError("J^T J must be symmetric and have no negative eigenvalue")
    return np.sqrt(np.maximum(values, 0.0))[:, None] * vectors.T * scale
