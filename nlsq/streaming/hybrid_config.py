"""`HybridStreamingConfig`: the settings of a streamed fit that warms up before its full passes."""

from __future__ import annotations

import dataclasses
import os
import sys
from numbers import Integral, Real
from typing import Any

from nlsq.precision.parameter_normalizer import STRATEGIES

SWITCHES = ("gradient", "plateau", "step")
_POSITIVE = (
    "lbfgs_history_size", "lbfgs_initial_step_size", "max_warmup_step_size",
    "gauss_newton_max_iterations", "trust_region_initial", "chunk_size",
)  # fmt: skip


@dataclasses.dataclass(frozen=True)
class HybridStreamingConfig:
    """Settings of `AdaptiveHybridStreamingOptimizer`, or of ``fit(workflow=...)``.

    Parameters
    ----------
    normalize : bool
        Warm up in normalised parameters (default True); the full passes do not depend on units.
    normalization_strategy : {'auto', 'bounds', 'p0'}
        See `nlsq.precision.ParameterNormalizer`.
    warmup_iterations : int
        Most L-BFGS iterations on the sample (default 200); 0 leaves the warm-up out.
    active_switching_criteria : tuple of {'gradient', 'plateau', 'step'}
        What ends the warm-up (default all three):
    gradient_norm_threshold : float
        'gradient': its norm in normalised parameters, per cost, is below this (default 1e-3);
    loss_plateau_threshold : float
        'plateau': the cost has fallen by a smaller share in each of 3 iterations (default 1e-4);
    step_size_threshold : float
        'step': the step in normalised parameters is shorter (default 1e-8).
    lbfgs_history_size : int
        Pairs of step and gradient that L-BFGS remembers (default 10).
    lbfgs_initial_step_size : float
        Length of the first step in normalised parameters (default 0.1).
    enable_warm_start_detection, warm_start_threshold : bool, float
        No warm-up from a start that leaves less than this share of the variation of the data
        unexplained (default True, 0.01).
    enable_step_clipping, max_warmup_step_size : bool, float
        Shorten steps to this length in normalised parameters (default True, 0.5).
    enable_cost_guard, cost_increase_tolerance : bool, float
        Halve a step that raises the cost by more than this share (default True, 0.05).
    gauss_newton_max_iterations : int, optional
        Most passes over all data; default as in `curve_fit`.
    gauss_newton_tol : float
        `ftol`, `xtol` and `gtol` of the full passes (default 1e-8).
    trust_region_initial : float, optional
        `factor` of the full passes; default as in `curve_fit`.
    chunk_size : int, optional
        Points read at once, at most the engine's chunk of 262 144; default by the free memory.
    checkpoint_dir : path, optional
        Folder of the checkpoints; default none are written.
    checkpoint_interval : float
        Seconds between them (default 30).
    resume : bool
        Go on from the checkpoint in `checkpoint_dir` (default False).

    Raises
    ------
    ValueError
        For a value out of its range.
    TypeError
        For an unknown name.

    Examples
    --------
    >>> HybridStreamingConfig(warmup_iterations=50).lbfgs_history_size
    10
    >>> HybridStreamingConfig.conservative().max_warmup_step_size
    0.1
    """

    normalize: bool = True
    normalization_strategy: str = "auto"
    warmup_iterations: int = 200
    active_switching_criteria: tuple[str, ...] = SWITCHES
    gradient_norm_threshold: float = 1e-3
    loss_plateau_threshold: float = 1e-4
    step_size_threshold: float = 1e-8
    lbfgs_history_size: int = 10
    lbfgs_initial_step_size: float = 0.1
    enable_warm_start_detection: bool = True
    warm_start_threshold: float = 0.01
    enable_step_clipping: bool = True
    max_warmup_step_size: float = 0.5
    enable_cost_guard: bool = True
    cost_increase_tolerance: float = 0.05
    gauss_newton_max_iterations: int | None = None
    gauss_newton_tol: float = 1e-8
    trust_region_initial: float | None = None
    chunk_size: int | None = None
    checkpoint_dir: str | os.PathLike | None = None
    checkpoint_interval: float = 30.0
    resume: bool = False

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            _CHECKS[field.type](field.name, getattr(self, field.name))
        object.__setattr__(self, "active_switching_criteria", tuple(self.active_switching_criteria))
        if self.normalization_strategy not in STRATEGIES:
            raise ValueError(
                f"normalization_strategy must be one of {STRATEGIES}, got "
                f"{self.normalization_strategy!r}."
            )
        for name in _POSITIVE:
            if getattr(self, name) == 0:
                raise ValueError(f"{name} must be above 0, got {getattr(self, name)!r}.")
        if self.warm_start_threshold > 1:
            raise ValueError(
                f"warm_start_threshold is a share, at most 1; got {self.warm_start_threshold!r}."
            )
        if self.resume and self.checkpoint_dir is None:
            raise ValueError("resume=True needs checkpoint_dir, the folder to go on from.")

    def loop_options(self) -> dict[str, Any]:
        """Options of the full passes, as `curve_fit` takes them."""
        options = dict.fromkeys(("ftol", "xtol", "gtol"), self.gauss_newton_tol)
        if self.gauss_newton_max_iterations is not None:
            options["max_nfev"] = self.gauss_newton_max_iterations
        if self.trust_region_initial is not None:
            options["factor"] = self.trust_region_initial
        return options

    def warmup_settings(self) -> dict[str, Any]:
        """What decides where a warm-up leads."""
        others = ("gauss_newton", "trust_region", "chunk_size", "checkpoint", "resume")
        return {k: v for k, v in vars(self).items() if not k.startswith(others)}

    @classmethod
    def conservative(cls, **changes: Any) -> HybridStreamingConfig:
        """Short steps and no rise of the cost: for models that fail far from the data."""
        return cls(**{"max_warmup_step_size": 0.1, "cost_increase_tolerance": 0.0} | changes)

    @classmethod
    def aggressive(cls, **changes: Any) -> HybridStreamingConfig:
        """Long steps, and the full passes begin early: for well-behaved models."""
        own = {"max_warmup_step_size": 2.0, "lbfgs_initial_step_size": 0.5}
        own |= dict.fromkeys(("loss_plateau_threshold", "gradient_norm_threshold"), 1e-2)
        return cls(**own | changes)

    @classmethod
    def memory_optimized(cls, **changes: Any) -> HybridStreamingConfig:
        """Few points read at once and a short history."""
        return cls(**{"chunk_size": 8192, "lbfgs_history_size": 4} | changes)

    @classmethod
    def scientific_default(cls, **changes: Any) -> HybridStreamingConfig:
        """Values to the last digits, and a warm-up that goes on until its gradient is small."""
        switch = {"active_switching_criteria": ("gradient", "step")}
        return cls(**switch | {"gauss_newton_tol": 1e-12} | changes)

    @classmethod
    def defense_strict(cls, **changes: Any) -> HybridStreamingConfig:
        """A warm-up that never raises the cost, by short steps, unless the start is poor."""
        own = {"warm_start_threshold": 0.1, "max_warmup_step_size": 0.05}
        return cls(**own | {"cost_increase_tolerance": 0.0} | changes)

    @classmethod
    def defense_relaxed(cls, **changes: Any) -> HybridStreamingConfig:
        """A warm-up from nearly every start, by long steps, which may raise the cost by half."""
        own = {"warm_start_threshold": 1e-4, "max_warmup_step_size": 2.0}
        return cls(**own | {"cost_increase_tolerance": 0.5} | changes)

    @classmethod
    def defense_disabled(cls, **changes: Any) -> HybridStreamingConfig:
        """A warm-up as L-BFGS makes it."""
        guards = ("enable_warm_start_detection", "enable_step_clipping", "enable_cost_guard")
        return cls(**dict.fromkeys(guards, False) | changes)


def _flag(name: str, value: Any) -> None:
    if not isinstance(value, bool):
        raise ValueError(f"{name} must be True or False, got {value!r}.")


def _count(name: str, value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, Integral) or value < 0:
        raise ValueError(f"{name} must be a whole number of at least 0, got {value!r}.")


def _size(name: str, value: Any) -> None:
    if (
        isinstance(value, bool)
        or not isinstance(value, Real)
        or not 0 <= value <= sys.float_info.max
    ):
        raise ValueError(f"{name} must be a finite number of at least 0, got {value!r}.")


def _folder(name: str, value: Any) -> None:
    if not isinstance(value, str | os.PathLike | None) or value == "":
        raise ValueError(f"{name} must be a path, got {value!r}.")


def _names(name: str, value: Any) -> None:
    several = isinstance(value, tuple | list | set | frozenset)
    if not several or not all(one in SWITCHES for one in value):
        raise ValueError(f"{name} must be a tuple of some of {SWITCHES}, got {value!r}.")


_CHECKS = {
    "bool": _flag,
    "int": _count,
    "int | None": lambda name, value: value is None or _count(name, value),
    "float": _size,
    "float | None": lambda name, value: value is None or _size(name, value),
    "str": lambda name, value: None,  # the strategy: among the known ones
    "str | os.PathLike | None": _folder,
    "tuple[str, ...]": _names,
}
