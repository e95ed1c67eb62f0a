"""Langmuir isotherm."""

__author__ = "A. Chemist"
__version__ = "1.2"
__all__ = ["model"]


def model(p, qmax, b):
    return qmax * b * p / (1 + b * p)
