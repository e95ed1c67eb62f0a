"""The fit read aloud: preprocess, select, decide, solve, compute; each `new` and `old`.

Examples
--------
>>> from nlsq.core.orchestration import StreamingCoordinator
>>> StreamingCoordinator().decide(1000, 16, in_memory=True).strategy
'direct'
"""

from importlib import import_module
from typing import Any

_HOME = {
    "CovarianceComputer": "covariance_computer",
    "DataPreprocessor": "data_preprocessor",
    "OptimizationSelector": "optimization_selector",
    "StreamingCoordinator": "streaming_coordinator",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
