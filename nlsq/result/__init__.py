"""What a fit returns: results, their statistics, and the ways to read, plot and store them.

Importing this package loads NumPy and nothing else; SciPy, rich and matplotlib come with the first
call that needs them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nlsq.result.curve_fit_result import CurveFitResult as CurveFitResult
from nlsq.result.curve_fits import CurveFits as CurveFits
from nlsq.result.errors import FitError as FitError
from nlsq.result.optimize_result import OptimizeResult as OptimizeResult
from nlsq.result.optimize_result import OptimizeResultV2 as OptimizeResultV2
from nlsq.result.streamed_fit_result import StreamedFitResult as StreamedFitResult

if TYPE_CHECKING:
    from nlsq.result.optimize_warning import OptimizeWarning as OptimizeWarning

__all__ = [
    "CurveFitResult",
    "CurveFits",
    "FitError",
    "OptimizeResult",
    "OptimizeResultV2",
    "OptimizeWarning",
    "StreamedFitResult",
]


def __getattr__(name: str) -> Any:
    if name == "OptimizeWarning":  # its base class lives in SciPy: loaded when asked for
        from nlsq.result import optimize_warning

        return optimize_warning.OptimizeWarning
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), "OptimizeWarning"})
