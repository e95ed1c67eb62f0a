"""What endangers a fit before it begins, and what can be done about it."""

from nlsq.stability.guard import NumericalStabilityGuard as NumericalStabilityGuard
from nlsq.stability.guard import apply_automatic_fixes as apply_automatic_fixes
from nlsq.stability.guard import check_problem_stability as check_problem_stability
from nlsq.stability.guard import stability_guard as stability_guard
from nlsq.stability.looks import Action as Action
from nlsq.stability.looks import Hazard as Hazard
from nlsq.stability.looks import StabilityReport as StabilityReport
from nlsq.stability.numbers import detect_collinearity as detect_collinearity
from nlsq.stability.numbers import (
    detect_parameter_scale_mismatch as detect_parameter_scale_mismatch,
)
from nlsq.stability.numbers import estimate_condition_number as estimate_condition_number
from nlsq.stability.numbers import solve_with_cholesky_fallback as solve_with_cholesky_fallback
