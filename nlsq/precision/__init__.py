"""Parameters and numbers at their natural scale: normalised, bounded, and advice on how to fit."""

from importlib import import_module
from typing import Any

_HOME = {
    "AlgorithmSelector": "algorithm_selector",
    "BoundInference": "bound_inference",
    "ParameterNormalizer": "parameter_normalizer",
    "PrecisionState": "precision_state",
    "analyze_bounds_quality": "bound_inference",
    "auto_select_algorithm": "algorithm_selector",
    "infer_bounds": "bound_inference",
    "infer_bounds_for_multistart": "bound_inference",
    "merge_bounds": "bound_inference",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
