"""Defaults shared by the public calls, and the precision of numbers."""

#: Relative change of the cost, of the parameters, and scaled gradient below which a fit has
#: converged; SciPy's defaults.
DEFAULT_FTOL = 1e-8
DEFAULT_XTOL = 1e-8
DEFAULT_GTOL = 1e-8

#: Residual size (in units of sigma) where a robust loss departs from least squares.
DEFAULT_F_SCALE = 1.0

#: Assumed where the operating system does not say how much memory is free, in GB (10**9 bytes).
DEFAULT_MEMORY_LIMIT_GB = 16.0

#: Spacing of double precision at 1.
EPS = 2.220446049250313e-16
