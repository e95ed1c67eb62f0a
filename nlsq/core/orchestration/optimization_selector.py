"""Stage 2: start, bounds and options, checked; method and solver, chosen."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nlsq.core.problem.options import read_options
from nlsq.core.problem.parameters import UNBOUNDED, parse_parameters
from nlsq.interfaces.orchestration_protocol import OptimizationConfig


class OptimizationSelector:
    """Reads what the user wishes, and chooses the engine to do it.

    Examples
    --------
    >>> config = OptimizationSelector().select(lambda x, a, b: a * x + b, bounds=(0, 5))
    >>> config.method, config.p0, config.solver
    ('trf', array([2.5, 2.5]), 'engine')
    """

    __slots__ = ()

    def select(
        self,
        f: Callable,
        p0: Any = None,
        bounds: Any = UNBOUNDED,
        method: str | None = None,
        jac: Any = None,
        options: dict[str, Any] | None = None,
    ) -> OptimizationConfig:
        """The arguments are those of `nlsq.curve_fit`, `options` its further keywords.

        Raises
        ------
        ValueError, TypeError
            For a start, bounds or options that are wrong, and for unknown keywords.
        """
        parameters = parse_parameters(f, p0, bounds)
        given = options or {}
        settings = read_options("curve_fit", method, jac, parameters.bounded, given, model=f)
        return OptimizationConfig(parameters, settings, "engine")
