"""Fitters and minimisers of other shapes behind the protocols of `nlsq.interfaces`."""

from nlsq.core.adapters.curve_fit_adapter import CurveFitAdapter as CurveFitAdapter
from nlsq.core.adapters.minimize_adapter import MinimizeAdapter as MinimizeAdapter
