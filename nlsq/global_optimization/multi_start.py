"""`MultiStartOrchestrator`: a search from many starts with its settings kept."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from nlsq.core.minpack import CurveFit, curve_fit
from nlsq.global_optimization.config import GlobalOptimizationConfig

if TYPE_CHECKING:
    from nlsq.result import CurveFitResult


class MultiStartOrchestrator:
    """Fits from many starts, of which the best end is the answer.

    Parameters
    ----------
    config : GlobalOptimizationConfig, optional
        Default: 10 starts.
    curve_fit_instance : CurveFit, optional
        Whose options the fits have.

    Examples
    --------
    >>> import numpy as np
    >>> t = np.linspace(0, 10, 80)
    >>> search = MultiStartOrchestrator.from_preset("robust")
    >>> fit = search.fit(lambda t, a, w: a * np.sin(w * t), t, 2 * np.sin(5 * t))
    >>> fit.popt.round(6).tolist(), len(fit.minima) >= 1
    ([2.0, 5.0], True)
    """

    def __init__(
        self,
        config: GlobalOptimizationConfig | None = None,
        curve_fit_instance: CurveFit | None = None,
    ):
        if config is not None and not isinstance(config, GlobalOptimizationConfig):
            raise TypeError(f"config must be a GlobalOptimizationConfig, got {config!r}.")
        self.config = config or GlobalOptimizationConfig()
        self._fit = curve_fit if curve_fit_instance is None else curve_fit_instance.curve_fit

    @classmethod
    def from_preset(
        cls, preset_name: str, curve_fit_instance: CurveFit | None = None
    ) -> MultiStartOrchestrator:
        """With the settings of a preset: fast, robust, global, thorough or streaming."""
        return cls(GlobalOptimizationConfig.from_preset(preset_name), curve_fit_instance)

    def fit(
        self,
        f: Callable | str,
        xdata: Any,
        ydata: Any = None,
        p0: Any = None,
        bounds: Any = None,
        **options: Any,
    ) -> CurveFitResult:
        """`curve_fit(f, xdata, ydata, p0, ...)` from many starts; ``minima`` has the evidence."""
        if bounds is not None:
            options["bounds"] = bounds
        return self._fit(f, xdata, ydata, p0=p0, search_config=self.config, **options)

    def __repr__(self) -> str:
        return f"MultiStartOrchestrator({self.config!r})"
