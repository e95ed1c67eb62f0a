"""Stage 4: what the data say about the uncertainties at the solution."""

from __future__ import annotations

from nlsq.core.verdict.finished import Finished
from nlsq.core.verdict.record import covariance_of
from nlsq.interfaces.orchestration_protocol import CovarianceResult


class CovarianceComputer:
    """Takes the covariance from the factor of the last pass (`verdict.covariance`)."""

    __slots__ = ()

    def compute(self, finished: Finished, absolute_sigma: bool) -> CovarianceResult:
        """Covariance, rank and null directions; it never touches the data again."""
        return covariance_of(finished, absolute_sigma)
