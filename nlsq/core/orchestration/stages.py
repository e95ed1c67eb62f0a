"""The four stages that a call takes, by its feature flags."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from nlsq.core.feature_flags import COMPONENTS, FeatureFlags, as_set, variable
from nlsq.core.orchestration.covariance_computer import CovarianceComputer
from nlsq.core.orchestration.data_preprocessor import DataPreprocessor
from nlsq.core.orchestration.optimization_selector import OptimizationSelector
from nlsq.core.orchestration.streaming_coordinator import StreamingCoordinator
from nlsq.interfaces import (
    CovarianceComputerProtocol,
    DataPreprocessorProtocol,
    OptimizationSelectorProtocol,
    StreamingCoordinatorProtocol,
)


class Stages(NamedTuple):
    """What `curve_fit` calls, in the order of `feature_flags.COMPONENTS`."""

    preprocessor: DataPreprocessorProtocol
    selector: OptimizationSelectorProtocol
    covariance: CovarianceComputerProtocol
    coordinator: StreamingCoordinatorProtocol


NEW = Stages(
    DataPreprocessor(), OptimizationSelector(), CovarianceComputer(), StreamingCoordinator()
)
_all_new: set[tuple] = set()  # settings of the environment that ask for nothing else


def stages_for(f: Callable | str, ydata: Any = None) -> Stages:
    """The stages that the environment's flags choose for a fit of `f` to these data.

    Raises
    ------
    ValueError
        For a flag that is none.
    """
    if as_set() in _all_new:
        return NEW
    flags = FeatureFlags.from_env()
    if flags.all_new:
        _all_new.add(as_set())
        return NEW
    name = f"{getattr(f, '__module__', '')}.{getattr(f, '__qualname__', type(f).__qualname__)}"
    identity = f"{name}:{np.size(ydata)}"
    pairs = zip(COMPONENTS, NEW, _old(), strict=True)
    return Stages(*[n if flags.should_use_new(c, identity) else o for c, n, o in pairs])


@functools.cache
def _old() -> Stages:
    from nlsq.core.orchestration import old  # loads SciPy's optimisers

    return Stages(
        old.DataPreprocessor(),
        old.OptimizationSelector(),
        old.CovarianceComputer(),
        old.StreamingCoordinator(),
    )


def require_engine(f: Callable) -> None:
    """Refuse flags that ask the reference to fit data which stay where they are.

    Raises
    ------
    ValueError
        Naming the variables.
    """
    if stages_for(f)[:3] == NEW[:3]:
        return
    flags, names = FeatureFlags.from_env(), []
    for component in COMPONENTS[:3]:
        if getattr(flags, f"{component}_impl") == "old":
            names.append(f"{variable(component)}=old")
    if names:
        raise ValueError(
            f"{', '.join(names)}: the reference fits data in memory only. Unset it, or pass the "
            "data as arrays to `curve_fit`."
        )
