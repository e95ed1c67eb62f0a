"""Protocols: the seams at which users and tests plug in what is not ours.

A user's own objects take part in a fit by those written here: data sources as `xdata`, tables as
`cache`, ways to differentiate as `jac`, minimisers as `method`, somebody's fitted curve as `p0`.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from typing import Any, Protocol, runtime_checkable

from nlsq.interfaces import orchestration_protocol as handed
from nlsq.interfaces.step_protocol import StepProtocol as StepProtocol


@runtime_checkable
class DataSourceProtocol(Protocol):
    """Data of which any range of points can be read.

    Examples
    --------
    >>> import numpy as np
    >>> class Ramp:
    ...     n_points = 1_000_000
    ...     def get_chunk(self, start, end):
    ...         x = np.arange(start, end) / self.n_points
    ...         return x, 2 * x + 1
    >>> isinstance(Ramp(), DataSourceProtocol)
    True
    """

    @property
    def n_points(self) -> int:
        """Number of points; the same in every pass."""

    def get_chunk(self, start: int, end: int) -> tuple[Any, ...]:
        """(x, y) or (x, y, sigma) of the points start ... end - 1.

        y and sigma of shape (end - start,), x too or (k, end - start).
        """


@runtime_checkable
class StreamingDataSourceProtocol(Protocol):
    """Data that are read from the beginning, as often as the fit asks.

    Every ``iter(source)`` begins anew and gives the same points: a list of chunks, or a class
    whose `__iter__` is a generator function. A generator itself can be read only once and is
    refused.

    Examples
    --------
    >>> import numpy as np
    >>> class Files:
    ...     def __iter__(self):
    ...         for k in range(3):
    ...             x = np.linspace(k, k + 1, 1000)
    ...             yield x, np.exp(-x)
    >>> isinstance(Files(), StreamingDataSourceProtocol)
    True
    """

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        """Chunks (x, y) or (x, y, sigma) of any lengths, in order."""


@runtime_checkable
class CacheProtocol(Protocol):
    """A table. `nlsq.SmartCache` is one; a user's own may be on disk, or shared by machines.

    A user's own gets keys of type str, the same in every process for the same fit by the same
    version of nlsq, and values that pickle. It may forget what it likes.

    Examples
    --------
    >>> import numpy as np, shelve
    >>> from nlsq import curve_fit
    >>> class OnDisk:
    ...     def get(self, key, default=None):
    ...         with shelve.open("fits") as file:
    ...             return file.get(key, default)
    ...     def set(self, key, value):
    ...         with shelve.open("fits") as file:
    ...             file[key] = value
    ...     def clear(self):
    ...         with shelve.open("fits") as file:
    ...             file.clear()
    >>> x = np.linspace(0, 1, 9)
    >>> for _ in range(2):
    ...     fit = curve_fit(lambda x, a: np.exp(-a * x), x, np.exp(-2 * x), cache=OnDisk())
    >>> with shelve.open("fits") as file:
    ...     len(file)
    1
    """

    def get(self, key: Hashable, default: Any = None) -> Any:
        """What `set` was given under an equal key, or `default`."""

    def set(self, key: Hashable, value: Any) -> None:
        """Keep a value, which is not None."""

    def clear(self) -> None:
        """Forget all."""


@runtime_checkable
class BoundedCacheProtocol(CacheProtocol, Protocol):
    """A table of limited size, in which room is made before something is set: `nlsq.SmartCache`."""

    @property
    def size_bytes(self) -> int:
        """Bytes of what is kept."""

    @property
    def max_size_bytes(self) -> int:
        """Bytes that may be kept; a value that is larger is not set."""

    def evict(self, n_bytes: int) -> int:
        """Forget what was used least until so many bytes are free again; how many there were."""


@runtime_checkable
class JacobianProtocol(Protocol):
    """A way to differentiate any function: `nlsq.core.least_squares.AutoDiffJacobian` is one.

    Examples
    --------
    >>> import numpy as np
    >>> from nlsq import curve_fit
    >>> class Central:
    ...     def compute(self, fun, x, args=()):
    ...         steps = 1e-6 * np.eye(x.size)
    ...         return np.stack([(fun(x + h, *args) - fun(x - h, *args)) / 2e-6 for h in steps], 1)
    >>> t = np.linspace(0, 5, 30)
    >>> fit = curve_fit(lambda t, a, k: a * np.exp(-k * t), t, 3 * np.exp(-t), jac=Central())
    >>> fit.popt.round(6), fit.model_info.derivative
    (array([3., 1.]), "the user's jac")
    """

    def compute(self, fun: Callable[..., Any], x: Any, args: tuple = ()) -> Any:
        """The Jacobian (m, n) of fun(x, *args) (m,) at x (n,)."""


@runtime_checkable
class SparseJacobianProtocol(JacobianProtocol, Protocol):
    """A way to differentiate functions whose Jacobian is mostly 0, for `nlsq.least_squares`.

    `nlsq.core.sparse_jacobian.SparseJacobianComputer` is one.
    """

    @property
    def sparsity_pattern(self) -> Any:
        """Not 0 where the Jacobian may be, (m, n); None where that is not known."""

    def compute_sparse(self, fun: Callable[..., Any], x: Any, args: tuple = ()) -> Any:
        """`compute`, as one of SciPy's sparse matrices."""


@runtime_checkable
class ResultProtocol(Protocol):
    """The end of a minimisation, as an `nlsq.OptimizeResult` has it; SciPy's will do.

    Examples
    --------
    >>> from nlsq import least_squares
    >>> isinstance(least_squares(lambda x: x - 1, [0.0]), ResultProtocol)
    True
    """

    @property
    def x(self) -> Any:
        """The point (n,)."""

    @property
    def success(self) -> bool:
        """Whether it is a minimum."""

    @property
    def message(self) -> str:
        """Why the search ended."""


@runtime_checkable
class LeastSquaresResultProtocol(ResultProtocol, Protocol):
    """The end of a least-squares fit: `nlsq.least_squares` returns such."""

    @property
    def cost(self) -> float:
        """Half the sum of squares, or of the loss."""

    @property
    def fun(self) -> Any:
        """Residuals (m,)."""

    @property
    def jac(self) -> Any:
        """Jacobian (m, n)."""

    @property
    def nfev(self) -> int:
        """Evaluations of the function."""

    @property
    def njev(self) -> int:
        """Evaluations of the Jacobian."""


@runtime_checkable
class CurveFitResultProtocol(Protocol):
    """A fitted curve: `nlsq.curve_fit` returns such, and `p0` takes one.

    Examples
    --------
    >>> import numpy as np
    >>> from nlsq import curve_fit
    >>> x = np.linspace(0, 1, 9)
    >>> fit = curve_fit(lambda x, a: a * x, x, 2 * x)
    >>> isinstance(fit, CurveFitResultProtocol), isinstance({}, CurveFitResultProtocol)
    (True, False)
    """

    @property
    def popt(self) -> Any:
        """Fitted parameters (n,)."""

    @property
    def pcov(self) -> Any:
        """Their covariance (n, n)."""

    @property
    def success(self) -> bool:
        """Whether the fit came to its end."""

    def get(self, key: str, default: Any = None) -> Any:
        """The field `key`, or `default`."""


@runtime_checkable
class OptimizerProtocol(Protocol):
    """Something that minimises a number: ``curve_fit(..., method=optimizer)`` begins with it.

    The fit goes on from the point it finds, by 'trf', so that covariance and status are those of
    every fit. `nlsq.core.adapters.MinimizeAdapter` is one, with SciPy's minimisers.

    Examples
    --------
    >>> import numpy as np
    >>> from nlsq import curve_fit
    >>> class Sweep:
    ...     def optimize(self, fun, x0, args=(), *, bounds, **options):
    ...         tried = np.linspace(*bounds, 101)
    ...         best = min(tried, key=lambda x: fun(x, *args))
    ...         return OptimizeResult(x=best, success=True, message="101 points were tried")
    >>> from scipy.optimize import OptimizeResult
    >>> t = np.linspace(0, 9, 60)
    >>> y = np.sin(5.02 * t)
    >>> fit = curve_fit(lambda t, w: np.sin(w * t), t, y, bounds=(0, 9), method=Sweep())
    >>> fit.popt.round(6), fit.optimizer["message"]
    (array([5.02]), '101 points were tried')
    """

    def optimize(
        self, fun: Callable[..., float], x0: Any, args: tuple = (), **options: Any
    ) -> ResultProtocol:
        """Minimise fun(x, *args) from x0 (n,); `options` have `bounds`, lower and upper (n,)."""


@runtime_checkable
class LeastSquaresOptimizerProtocol(Protocol):
    """Something that minimises a sum of squares: `nlsq.LeastSquares`; used as the one above."""

    def least_squares(
        self,
        fun: Callable[..., Any],
        x0: Any,
        jac: Callable[..., Any] | None = None,
        bounds: Any = None,
        args: tuple = (),
        **options: Any,
    ) -> LeastSquaresResultProtocol:
        """Minimise the squares of fun(x, *args) (m,); jac(x, *args) is its Jacobian (m, n)."""


@runtime_checkable
class CurveFitProtocol(Protocol):
    """Something that fits curves: `nlsq.CurveFit`, `nlsq.core.adapters.CurveFitAdapter`."""

    def curve_fit(self, f: Callable, xdata: Any, ydata: Any, *args: Any, **options: Any) -> Any:
        """Fit f(x, a, b, ...) and return what unpacks to popt and pcov."""


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
    ) -> handed.PreprocessedData:
        """The arguments are those of `curve_fit`."""


@runtime_checkable
class OptimizationSelectorProtocol(Protocol):
    """Reads start, bounds and options, and chooses method and solver."""

    def select(
        self, f: Any, p0: Any, bounds: Any, method: str | None, jac: Any, options: dict[str, Any]
    ) -> handed.OptimizationConfig:
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
    ) -> handed.StreamingDecision:
        """A pure function of sizes and settings."""


@runtime_checkable
class CovarianceComputerProtocol(Protocol):
    """Finds what the data say about the uncertainties at the solution."""

    def compute(self, finished: Any, absolute_sigma: bool) -> handed.CovarianceResult:
        """`finished` is the solved fit: model, data, parameters, options and outcome."""
