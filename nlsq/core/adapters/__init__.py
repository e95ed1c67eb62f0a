"""Fitters of other shapes behind `nlsq.interfaces.CurveFitProtocol`."""

from nlsq.core.adapters.curve_fit_adapter import CurveFitAdapter as CurveFitAdapter
