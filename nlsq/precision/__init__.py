"""Parameters and numbers at their natural scale."""

from nlsq.precision.parameter_normalizer import ParameterNormalizer as ParameterNormalizer
