"""Exact derivatives of a model in plain NumPy: it is called once with dual numbers.

Each parameter carries a tangent, and every NumPy operation carries the tangents along by the chain
rule while it computes the value as it would without them. What has no rule is refused (`NoRule`)
and never answered wrongly; the caller then takes finite differences. The rules are tables:
`elementwise` (ufuncs), `special` (scipy.special), `functions` (linear), `products`, `nonlinear`.
JAX is not imported.

Reference: A. Griewank, A. Walther, "Evaluating Derivatives", 2nd ed. (2008), chapter 3.
"""

from nlsq.core.model.duals.dual import Dearer, Dual, NoRule
from nlsq.core.model.duals.evaluate import value_and_tangents

__all__ = ["Dearer", "Dual", "NoRule", "value_and_tangents"]
