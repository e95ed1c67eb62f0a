"""`DiagnosticsConfig`: from where on a diagnosis is an alarm."""

from __future__ import annotations

import dataclasses
import math


@dataclasses.dataclass(frozen=True)
class DiagnosticsConfig:
    """Thresholds of a diagnosis; units of the data and the parameters play no part in any.

    Parameters
    ----------
    rank_tolerance : float, default 1e-12
        Share of the largest singular value below which one is rounding.
    condition_threshold : float, default 1e10
        Condition of the column-scaled Jacobian from which its errors have too few digits.
    correlation_threshold : float, default 0.95
        Correlations from which a pair is listed; no alarm.
    relative_error : float, default 0.4
        Standard error as a share of the value from which a parameter is ill known.
    inflation_threshold : float, default 20
        How many times a parameter's error grows because the others are fitted too. Of two that are
        ill known and inflated the data know a combination at most.
    known_well : float, default 0.2
        Error of a combination, as a share of its members', below which it is known well.
    sloppy_threshold : float, default 1e-6
        Share of the largest eigenvalue of J^T J, columns scaled, below which a direction is sloppy.
    explained_threshold : float, default 0.1
        R-squared below which a model that is not significantly better than a constant, or leaves a
        trend in the residuals, is wrong.
    gradient_threshold : float, default 0.03
        Cosine between the residuals and a column of J above which the end is no minimum.
    vanishing_threshold : float, default 1e-6
        The same below which a gradient has vanished.
    imbalance_threshold : float, default 1e6
        Ratio of the largest cosines of two parameters, over all iterations.
    stagnation_window : int, default 10
        Last iterations that are looked at.
    stagnation_tolerance : float, default 0.01
        Share of the cost that they must have gained where the gradient is not yet small.
    false_alarms : float, default 0.01
        Share of good fits whose residuals are found fault with, all their tests together.
    influence_threshold : float, default 3
        Standard errors by which a point that is named moves a parameter; 3 times that is an alarm.

    Raises
    ------
    ValueError
        A threshold that is no positive number.

    Examples
    --------
    >>> DiagnosticsConfig(correlation_threshold=0.99).correlation_threshold
    0.99
    """

    rank_tolerance: float = 1e-12
    condition_threshold: float = 1e10
    correlation_threshold: float = 0.95
    relative_error: float = 0.4
    inflation_threshold: float = 20.0
    known_well: float = 0.2
    sloppy_threshold: float = 1e-6
    explained_threshold: float = 0.1
    gradient_threshold: float = 0.03
    vanishing_threshold: float = 1e-6
    imbalance_threshold: float = 1e6
    stagnation_window: int = 10
    stagnation_tolerance: float = 0.01
    false_alarms: float = 0.01
    influence_threshold: float = 3.0

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            number = isinstance(value, int | float) and not isinstance(value, bool)
            if not number or not 0 < value < math.inf:
                raise ValueError(f"{field.name} must be a positive number, got {value!r}")

    @classmethod
    def of(cls, config: DiagnosticsConfig | None) -> DiagnosticsConfig:
        """A config, the default one for None.

        Raises
        ------
        TypeError
            For anything else.
        """
        if config is not None and not isinstance(config, cls):
            raise TypeError(f"thresholds come as a DiagnosticsConfig, got {config!r}")
        return DEFAULT if config is None else config


DEFAULT = DiagnosticsConfig()
