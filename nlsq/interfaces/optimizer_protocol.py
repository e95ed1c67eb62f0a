"""What an object must offer to be used as a curve fitter."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, runtime_checkable


@runtime_checkable
class CurveFitProtocol(Protocol):
    """Something that fits curves: `nlsq.CurveFit`, `nlsq.core.adapters.CurveFitAdapter`.

    Examples
    --------
    >>> from nlsq import CurveFit
    >>> isinstance(CurveFit(), CurveFitProtocol)
    True
    """

    def curve_fit(self, f: Callable, xdata: Any, ydata: Any, *args: Any, **options: Any) -> Any:
        """Fit f(x, a, b, ...) and return what unpacks to popt and pcov."""
