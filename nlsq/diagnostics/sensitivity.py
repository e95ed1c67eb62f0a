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

import numpy as np

from nlsq.diagnostics.evidence import Evidence
from nlsq.diagnostics.finding import INFO, WARNING, Finding, listed
from nlsq.diagnostics.identifiability import AbstractAnalyzer, together

_STIFF = 0.1  # share of the largest eigenvalue from which a direction is stiff


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
            np.flatnonzero(values >= _STIFF * largest).tolist(),
            np.flatnonzero(values < self.config.sloppy_threshold * largest).tolist(),
            left_open is not None, findings,
        )  # fmt: skip
