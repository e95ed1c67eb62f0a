"""Fitters with their options chosen once: `create_optimizer`, `configure_curve_fit`."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

from nlsq.caching.smart_cache import SmartCache
from nlsq.core.adapters import CurveFitAdapter
from nlsq.core.minpack import curve_fit
from nlsq.core.problem.keywords import check_names
from nlsq.core.workflow import fit
from nlsq.facades import DiagnosticsFacade
from nlsq.interfaces import CurveFitProtocol


def create_optimizer(*, workflow: Any = None, **options: Any) -> CurveFitProtocol:
    """Make an object that fits curves, with options that stay.

    Parameters
    ----------
    workflow : str or HybridStreamingConfig, optional
        As in `nlsq.fit`, which then does the fits, of data of any size, as with a `goal`. Default:
        `nlsq.curve_fit` does them.
    **options
        Keywords of `nlsq.fit` or `nlsq.curve_fit`.

    Raises
    ------
    TypeError
        For an unknown keyword, with the nearest known one.

    Examples
    --------
    >>> import numpy as np
    >>> t = np.linspace(0, 5, 30)
    >>> robust = create_optimizer(loss="soft_l1", bounds=(0, 10))
    >>> robust.curve_fit(lambda t, a, k: a * np.exp(-k * t), t, 3 * np.exp(-t)).popt.round(6)
    array([3., 1.])
    """
    config = options.get("diagnostics_config")
    if config is not None:
        DiagnosticsFacade.get_diagnostics_config().of(config)
    function = curve_fit
    if workflow is not None:
        function, options = fit, {"workflow": workflow, **options}
    elif options.get("goal") is not None:
        function = fit
    front = tuple(inspect.signature(function).parameters)[3:]
    others = {name: value for name, value in options.items() if name not in front}
    check_names("create_optimizer", others, front)
    return CurveFitAdapter(function, **options)


def configure_curve_fit(
    optimizer: CurveFitProtocol | None = None, *, enable_caching: bool = False, **options: Any
) -> Callable[..., Any]:
    """Make a function like `nlsq.curve_fit` with other defaults.

    Parameters
    ----------
    optimizer : CurveFitProtocol, optional
        Who does the fits. Default: `create_optimizer` makes it.
    enable_caching : bool
        Keep fits that converged and look for them, by the content of model, data and options: the
        function gets a `SmartCache` of its own (default False).
    **options
        Keywords of `nlsq.curve_fit`.

    Examples
    --------
    >>> import numpy as np
    >>> bounded_fit = configure_curve_fit(bounds=(0, 10))
    >>> t = np.linspace(0, 5, 30)
    >>> popt, pcov = bounded_fit(lambda t, a, k: a * np.exp(-k * t), t, 3 * np.exp(-t))
    >>> popt.round(6)
    array([3., 1.])
    """
    if enable_caching:
        options = {"cache": SmartCache(), **options}
    if optimizer is None:
        return create_optimizer(**options).curve_fit
    if not isinstance(optimizer, CurveFitProtocol):
        raise TypeError(
            f"`optimizer` must have a method curve_fit(f, xdata, ydata, ...), got {optimizer!r}."
        )
    return functools.partial(optimizer.curve_fit, **options)
