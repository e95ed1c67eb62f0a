"""The four stages around a solve, and what each hands to the next.

`curve_fit` reads as ``preprocess``, ``select``, ``decide``, solve, ``compute``. Each stage has two
implementations, `new` (the engine's) and `old` (`nlsq.core.orchestration.old`, the plain
reference); `nlsq.core.feature_flags` says which one runs.
"""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np

from nlsq.utils.validators import PreprocessedData as PreprocessedData


class OptimizationConfig(NamedTuple):
    """What is fitted from where, and how.

    Attributes
    ----------
    parameters : object
        With `names`, `bounded` (whether some bound is finite), `n_free` (how many may move), and
        `p0`, `lb`, `ub` of shape (n,).
    settings : object
        With `method`, `jac`, `ftol`, `xtol`, `gtol`, `x_scale`, `loss`, `f_scale`, `max_nfev`,
        `tr_solver` and the other options of `curve_fit`, checked.
    solver : {'engine', 'reference'}
    """

    parameters: Any
    settings: Any
    solver: str

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
    """Which road a fit takes through its data.

    Attributes
    ----------
    strategy : {'direct', 'chunked', 'streaming'}
    reason : str
    n_points : int or None
        None where it is not known before the data are read.
    data_bytes : int or None
        Of all data in memory; None where nobody asked.
    usable_bytes : int or None
        What a fit may plan with; None where the data are in memory and nobody asked.
    sampled : bool
        Whether a fit of many points may begin on a sample of them, which saves passes.
    """

    strategy: str
    reason: str
    n_points: int | None
    data_bytes: int | None
    usable_bytes: int | None
    sampled: bool


class CovarianceResult(NamedTuple):
    """What the data say about the parameters' uncertainties.

    Attributes
    ----------
    pcov : ndarray (n, n)
        Infinite in rows and columns of undetermined parameters, 0 in those of fixed ones.
    determined : ndarray (n, n)
        The finite covariance within the determined directions.
    rank : int
        Number of determined directions.
    dof : int
        Residuals that count, less the rank.
    null_directions : ndarray (k, n)
        Unit vectors along which the model does not change.
    undetermined : ndarray of bool (n,)
        Parameters that take part in a null direction, or of which the data allow any value.
    notes : list of str
        What to be careful about, beside the null directions.
    jacobian : ndarray (k, n) or None
        The whitened Jacobian with the loss in it, or any matrix of the same J^T J; None where it
        was not kept.
    """

    pcov: np.ndarray
    determined: np.ndarray
    rank: int
    dof: int
    null_directions: np.ndarray
    undetermined: np.ndarray
    notes: list[str]
    jacobian: np.ndarray | None

    @property
    def condition_number(self) -> float | None:
        """Largest over smallest singular value of J, its columns that act scaled to length 1.

        None where the Jacobian was not kept.
        """
        if self.jacobian is None:
            return None
        lengths = np.linalg.norm(self.jacobian, axis=0)
        acting = self.jacobian[:, lengths > 0] / lengths[lengths > 0]
        try:
            values = np.linalg.svd(acting, compute_uv=False)
        except np.linalg.LinAlgError:  # it does not converge
            from nlsq.facades import StabilityFacade

            values = StabilityFacade.get_fallback_svd()(acting).s
        if not values.size:
            return 1.0
        return float(values[0] / values[-1]) if values[-1] > 0 else np.inf


@runtime_checkable
class DataPreprocessorProtocol(Protocol):
    """Checks the data and lays them out."""

    def preprocess(
        self,
        xdata: Any,
        ydata: Any,
        sigma: Any = None,
        check_finite: bool | None = None,
        nan_policy: str | None = None,
    ) -> PreprocessedData:
        """The arguments are those of `curve_fit`."""


@runtime_checkable
class OptimizationSelectorProtocol(Protocol):
    """Reads start, bounds and options, and chooses method and solver."""

    def select(
        self, f: Any, p0: Any, bounds: Any, method: str | None, jac: Any, options: dict[str, Any]
    ) -> OptimizationConfig:
        """The arguments are those of `curve_fit`, `options` its further keywords."""


@runtime_checkable
class StreamingCoordinatorProtocol(Protocol):
    """Chooses the road through the data by size and memory."""

    def decide(
        self,
        n_points: int | None,
        bytes_per_point: int | None,
        in_memory: bool,
        usable_bytes: int | None = None,
        config: Any = None,
        workflow: str = "auto",
        needs_source: str = "",
    ) -> StreamingDecision:
        """A pure function of sizes and settings."""


@runtime_checkable
class CovarianceComputerProtocol(Protocol):
    """Finds what the data say about the uncertainties at the solution."""

    def compute(self, finished: Any, absolute_sigma: bool) -> CovarianceResult:
        """`finished` is the solved fit: model, data, parameters, options and outcome."""
