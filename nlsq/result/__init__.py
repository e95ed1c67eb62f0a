"""What a fit returns: results, their statistics, and the ways to read, plot and store them.

Each public name is imported from its home on first use. SciPy, rich and matplotlib come with the
first call that needs them.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nlsq.result.curve_fit_result import CurveFitResult as CurveFitResult
    from nlsq.result.curve_fits import CurveFits as CurveFits
    from nlsq.result.errors import FitError as FitError
    from nlsq.result.errors import StartError as StartError
    from nlsq.result.minima import Minima as Minima
    from nlsq.result.minima import Minimum as Minimum
    from nlsq.result.optimize_result import OptimizeResult as OptimizeResult
    from nlsq.result.optimize_result import OptimizeResultV2 as OptimizeResultV2
    from nlsq.result.optimize_warning import OptimizeWarning as OptimizeWarning
    from nlsq.result.streamed_fit_result import StreamedFitResult as StreamedFitResult

_HOME = {
    "CurveFitResult": "curve_fit_result",
    "CurveFits": "curve_fits",
    "FitError": "errors",
    "Minima": "minima",
    "Minimum": "minima",
    "OptimizeResult": "optimize_result",
    "OptimizeResultV2": "optimize_result",
    "OptimizeWarning": "optimize_warning",  # its base class lives in SciPy
    "StartError": "errors",
    "StreamedFitResult": "streamed_fit_result",
}

__all__ = list(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
