"""Exact derivatives of a model in plain NumPy: it is called once with dual numbers.

Each parameter carries a tangent, and every NumPy operation carries the tangents along by the chain
rule while it computes the value as it would without them. What has no rule is refused (`NoRule`)
and never answered wrongly; the caller then takes finite differences. So is a loop over many numbers
(`Dearer`), which costs less with them. The rules are tables: `elementwise` (ufuncs), `special`
(scipy.special), `functions` (linear), `products`, `nonlinear`, `scipy_rules`. NumPy hands them what
it calls with dual numbers. What it does not (np.zeros, float, math.exp, a spline of SciPy's) is
replaced by `stand_ins` where a model needs it: `rebuilt` makes a copy of the model over these.
JAX is not imported.

Reference: A. Griewank, A. Walther, "Evaluating Derivatives", 2nd ed. (2008), chapter 3.
"""

from nlsq.core.model.duals.dual import Dearer, Dual, NoRule
from nlsq.core.model.duals.evaluate import value_and_tangents
from nlsq.core.model.duals.rebuild import opening, rebuilt

__all__ = ["Dearer", "Dual", "NoRule", "opening", "rebuilt", "value_and_tangents"]
