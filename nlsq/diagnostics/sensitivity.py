"""How stiff and how sloppy a model's directions are: the spectrum of J^T J, columns scaled.

A model is sloppy where its eigenvalues spread over many decades. That alone is no fault: NIST's
Lanczos problems spread over eight and are known to nine digits. It is one where the data leave the
sloppy directions open, and then a model with fewer parameters says as much.

References: K. S. Brown, J. P. Sethna, Phys. Rev. E 68 (2003) 021904; M. K. Transtrum et al.,
J. Chem. Phys. 143 (2015) 010901.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np

from nlsq.diagnostics.combinations import known_pairs
from nlsq.diagnostics.config import DEFAULT, DiagnosticsConfig
from nlsq.diagnostics.evidence import Evidence
from nlsq.diagnostics.finding import INFO, WARNING, Finding, WithFindings, listed
from nlsq.diagnostics.identifiability import ill_known, root_of_information

_STIFF = 0.1  # share of the largest eigenvalue from which a direction is stiff


@dataclasses.dataclass(frozen=True)
class ParameterSensitivityReport(WithFindings):
    """What a `ParameterSensitivityAnalyzer` found.

    Attributes
    ----------
    eigenvalues : ndarray (k,)
        Of J^T J with the columns of J scaled to length 1, the largest first; they add up to k.
    eigenvectors : ndarray (k, k)
        Directions of the scaled parameters, one a column.
    names : tuple of str
        Of the k parameters to which the model responds.
    eigenvalue_range : float
        Decades from the largest to the smallest.
    effective_dimensionality : float
        (sum)^2 / sum of squares of the eigenvalues.
    stiff_indices, sloppy_indices : list of int
        Places of eigenvalues above a tenth of the largest, and below ``sloppy_threshold`` of it.
    is_sloppy : bool
        Whether the data leave a sloppy direction open.
    findings : list of Finding
    """

    eigenvalues: np.ndarray
    eigenvectors: np.ndarray
    names: tuple[str, ...]
    eigenvalue_range: float
    effective_dimensionality: float
    stiff_indices: list[int]
    sloppy_indices: list[int]
    is_sloppy: bool
    findings: list[Finding]

    def get_sloppy_combinations(self) -> list[dict[str, float]]:
        """Of each sloppy direction its components by name."""
        return [
            dict(zip(self.names, self.eigenvectors[:, i].tolist(), strict=True))
            for i in self.sloppy_indices
        ]


class ParameterSensitivityAnalyzer:
    """Stiff and sloppy directions of a fit, and the smaller model that they suggest.

    Parameters
    ----------
    config : DiagnosticsConfig, optional

    Examples
    --------
    >>> import numpy as np
    >>> x = np.linspace(0, 1, 20)
    >>> J = np.stack([np.exp(-x), np.exp(-1.001 * x)], axis=1)
    >>> report = ParameterSensitivityAnalyzer().analyze(J)
    >>> len(report.stiff_indices), len(report.sloppy_indices)
    (1, 1)
    """

    def __init__(self, config: DiagnosticsConfig = DEFAULT):
        self.config = config

    def analyze(self, what: Any, names: Any = None) -> ParameterSensitivityReport:
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
        values = d.values**2
        largest = values.max(initial=0.0)
        stiff = np.flatnonzero(values >= _STIFF * largest).tolist()
        sloppy = np.flatnonzero(values < self.config.sloppy_threshold * largest).tolist()
        smallest = values.min(initial=math.inf)
        spread = 0.0 if not values.size else (
            math.log10(largest / smallest) if smallest > 0 else math.inf
        )  # fmt: skip
        total = float((values**2).sum())
        dimensions = float(values.sum()) ** 2 / total if total > 0 else 0.0
        left_open = self._left_open(evidence)
        findings = []
        if values.size > 1:
            text = f"eigenvalues of J^T J, columns scaled, {_range(values, self.config)}"
            findings = [Finding("spectrum", INFO, text, spread)]
        if left_open is not None:
            which, remedy = left_open
            fact = f"sloppy in {listed(which)}: {text}"
            findings = [Finding("sloppy", WARNING, fact, spread, remedy, which)]
        return ParameterSensitivityReport(
            values, d.rows.T, tuple(evidence.names[i] for i in d.places), spread, dimensions,
            stiff, sloppy, left_open is not None, findings,
        )  # fmt: skip

    def analyze_from_fim(self, fim: Any, names: Any = None) -> ParameterSensitivityReport:
        """From the Fisher information J^T J (n, n); half of the Jacobian's digits are in it."""
        return self.analyze(root_of_information(fim), names)

    def _left_open(self, evidence: Evidence) -> tuple[tuple[str, ...], str] | None:
        """Parameters of sloppy directions that the data leave open, and what to fit instead."""
        rest = ill_known(evidence, self.config)
        if rest is None or len(rest[1]) < 2:
            return None
        part, members = rest
        known = known_pairs(part, members, self.config.known_well)
        names = tuple(evidence.names[i] for i in members)
        if known:
            a, b = (evidence.names[i] for i in known[0].places)
            return names, f"smaller model: {known[0].text} in place of {a}, {b}"
        inflations = dict(zip(part.directions.places, part.directions.inflations, strict=True))
        return names, f"smaller model: fix {evidence.names[max(members, key=inflations.get)]}"


def _range(values: np.ndarray, config: DiagnosticsConfig) -> str:
    rounding = values[-1] <= config.rank_tolerance**2 * values[0]
    return f"{values[0]:.2g} to " + ("rounding" if rounding else f"{values[-1]:.1e}")


def analyse(evidence: Evidence, config: DiagnosticsConfig = DEFAULT) -> list[Finding]:
    """The findings alone; none where the Jacobian is not known."""
    if evidence.directions is None:
        return []
    return ParameterSensitivityAnalyzer(config).analyze(evidence).findings
