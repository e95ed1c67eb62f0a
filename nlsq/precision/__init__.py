"""Parameters and numbers at their natural scale: normalised, bounded, and advice on how to fit."""

from nlsq.precision.bound_inference import BoundInference as BoundInference
from nlsq.precision.bound_inference import infer_bounds as infer_bounds
from nlsq.precision.parameter_normalizer import ParameterNormalizer as ParameterNormalizer
