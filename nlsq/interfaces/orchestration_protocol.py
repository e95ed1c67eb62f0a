"""What each of the four stages around a solve hands to the next.

`curve_fit` reads as ``preprocess``, ``select``, ``decide``, solve, ``compute``. Each stage has two
implementations, `new` (the engine's) and `old` (`nlsq.core.orchestration.old`, the plain
reference); `nlsq.core.feature_flags` says which one runs. `nlsq.interfaces` has their protocols.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from nlsq.facades import StabilityFacade
from nlsq.utils.validators import PreprocessedData as PreprocessedData


class OptimizationConfig(NamedTuple):
    """What is fitted from where, and how."""

    parameters: Any  # `names`, `bounded`, `n_free`, and `p0`, `lb`, `ub` (n,)
    settings: Any  # `method`, `jac`, `ftol` and the other options of `curve_fit`, checked
    solver: str  # 'engine' or 'reference'

    def with_settings(self, **changed: Any) -> OptimizationConfig:
        """The same with other settings."""
        settings = type(self.settings)(**(vars(self.settings) | changed))
        return self._replace(settings=settings)

    @property
    def method(self) -> str:
        """'trf', 'dogbox' or 'lm'."""
        return self.settings.method

    @property
    def n_params(self) -> int:
        """Number of parameters, fixed ones among them."""
        return self.parameters.p0.size

    @property
    def n_free(self) -> int:
        """Number of parameters that may move."""
        return self.parameters.n_free

    @property
    def p0(self) -> np.ndarray:
        """Start (n,)."""
        return self.parameters.p0

    @property
    def bounded(self) -> bool:
        """Whether some bound is finite."""
        return self.parameters.bounded

    @property
    def bounds(self) -> tuple[np.ndarray, np.ndarray]:
        """Lower and upper bounds, each (n,)."""
        return self.parameters.lb, self.parameters.ub


class StreamingDecision(NamedTuple):
    """Which road a fit takes through its data."""

    strategy: str  # 'direct', 'chunked' or 'streaming'
    reason: str
    n_points: int | None  # None where it is not known before the data are read
    data_bytes: int | None  # of all data in memory; None where nobody asked
    usable_bytes: int | None  # that a fit may plan with; None where nobody asked
    sampled: bool  # whether it may begin on a sample of many points, which saves passes
    goal: dict[str, Any] | None = None  # the `goal` of the call, and what it set


class CovarianceResult(NamedTuple):
    """What the data say about the parameters' uncertainties."""

    pcov: np.ndarray  # (n, n); infinite for undetermined parameters, 0 for fixed ones
    determined: np.ndarray  # (n, n), the finite covariance within the determined directions
    rank: int  # number of determined directions
    dof: int  # residuals that count, less the rank
    null_directions: np.ndarray  # (k, n), unit vectors along which the model does not change
    undetermined: np.ndarray  # (n,), parameters in a null direction, or of any value
    notes: list[str]  # what to be careful about, beside the null directions
    jacobian: np.ndarray | None  # whitened, with the loss, or any matrix of its J^T J, if kept

    @property
    def condition_number(self) -> float | None:
        """Largest over smallest singular value of J, its columns that act scaled to length 1.

        None where the Jacobian was not kept.
        """
        if self.jacobian is None:
            return None
        lengths = np.linalg.norm(self.jacobian, axis=0)
        acting = self.jacobian[:, lengths > 0] / lengths[lengths > 0]
        values = StabilityFacade.get_fallback_svd()(acting).s
        if not values.size:
            return 1.0
        return float(values[0] / values[-1]) if values[-1] > 0 else np.inf
