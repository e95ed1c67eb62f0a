"""Parameters and numbers at their natural scale: normalised, bounded, and advice on how to fit."""

from nlsq.utils.lazily import lazily

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
__getattr__, __dir__ = lazily(__name__, _HOME)
