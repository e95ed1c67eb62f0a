"""How to look for the global minimum: a search's settings, and presets by name."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from numbers import Integral, Real
from types import MappingProxyType
from typing import Any

from nlsq.utils.input_error import did_you_mean

SAMPLERS = {"lhs": None, "sobol": 21, "halton": 20}  # and the most dimensions they are good for
ALIASES = {"latin_hypercube": "lhs", "latin-hypercube": "lhs"}
_LEAST_FITS = 16


@dataclasses.dataclass(frozen=True)
class GlobalOptimizationConfig:
    """Settings of a search from many starts.

    Parameters
    ----------
    n_starts : int
        Most starts that are drawn; a search ends sooner when it found the best minimum often
        enough. At all of them the parameters that enter linearly are solved and the cost is
        evaluated.
    sampler : {'lhs', 'sobol', 'halton'}
        Latin hypercube; Sobol for at most 21 parameters, Halton for at most 20.
    center_on_p0 : bool
        Draw around p0 where one is given.
    scale_factor : float
        Width of what is drawn around p0, in units of the box or of the parameters' scales.
    elimination_rounds : int
        The starts of least cost, a part (1 - elimination_fraction)**elimination_rounds of all and
        at least 16, are fitted to the end. In a tournament: its rounds (`TournamentSelector`).
    elimination_fraction : float
        The part that is dropped in a round, at least 0 and below 1.
    batches_per_round : int
        Batches of points that a round of a tournament reads (`TournamentSelector`).
    seed : int
        Of everything that is random: the same seed gives the same answer.

    Raises
    ------
    ValueError, TypeError
        Naming the setting that is out of its range, and the range.

    Examples
    --------
    >>> GlobalOptimizationConfig.from_preset("robust").n_starts
    192
    >>> GlobalOptimizationConfig(n_starts=1000).n_fits
    125
    """

    n_starts: int = 10
    sampler: str = "lhs"
    center_on_p0: bool = True
    scale_factor: float = 1.0
    elimination_rounds: int = 3
    elimination_fraction: float = 0.5
    batches_per_round: int = 50
    seed: int = 0

    def __post_init__(self) -> None:
        for name, least in _LEAST.items():
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, Integral):
                raise TypeError(f"{name} must be an integer, got {value!r}.")
            if value < least:
                raise ValueError(f"{name} must be at least {least}, got {value}.")
        object.__setattr__(self, "sampler", sampler_name(self.sampler))
        if not isinstance(self.center_on_p0, bool):
            raise TypeError(f"center_on_p0 must be True or False, got {self.center_on_p0!r}.")
        _require_number("scale_factor", self.scale_factor)
        if not 0 < self.scale_factor < math.inf:
            raise ValueError(f"scale_factor must be positive and finite, got {self.scale_factor}.")
        _require_number("elimination_fraction", self.elimination_fraction)
        if not 0 <= self.elimination_fraction < 1:
            raise ValueError(
                f"elimination_fraction must be at least 0 and below 1, got "
                f"{self.elimination_fraction}: the part of the starts that a round drops."
            )

    @property
    def n_fits(self) -> int:
        """The most local fits that are made."""
        kept = self.n_starts * (1 - self.elimination_fraction) ** self.elimination_rounds
        return min(self.n_starts, max(math.ceil(kept), _LEAST_FITS))

    @property
    def preset(self) -> str | None:
        """The name of the preset that has these settings; None when there is none."""
        own = self.to_dict()
        return next((n for n, p in PRESETS.items() if own == _filled(p)), None)

    @classmethod
    def from_preset(cls, name: str) -> GlobalOptimizationConfig:
        """The settings of a preset, one of `PRESETS`."""
        if name not in PRESETS:
            near = did_you_mean(str(name), PRESETS, f"; the presets are {', '.join(PRESETS)}.")
            raise ValueError(f"There is no preset {name!r}{near}")
        return cls(**PRESETS[name])

    @classmethod
    def from_dict(cls, given: Mapping[str, Any]) -> GlobalOptimizationConfig:
        """The settings of a mapping; what it leaves out has its default."""
        known = [field.name for field in dataclasses.fields(cls)]
        for name in given:
            if name not in known:
                near = did_you_mean(str(name), known, f"; its settings are {', '.join(known)}.")
                raise TypeError(f"A search has no setting {name!r}{near}")
        return cls(**given)

    def to_dict(self) -> dict[str, Any]:
        """All settings by name."""
        return dataclasses.asdict(self)

    def with_overrides(self, **changes: Any) -> GlobalOptimizationConfig:
        """The same settings but for what is given."""
        return self.from_dict(self.to_dict() | changes)


_LEAST = {"n_starts": 1, "elimination_rounds": 0, "batches_per_round": 1, "seed": 0}

PRESETS: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "fast": {"n_starts": 48, "elimination_rounds": 1},
        "robust": {"n_starts": 192, "elimination_rounds": 2},
        "global": {"n_starts": 2048, "center_on_p0": False},
        "thorough": {"n_starts": 8192, "center_on_p0": False},
        "streaming": {"n_starts": 64, "elimination_rounds": 3, "batches_per_round": 20},
    }
)


def _filled(preset: Mapping[str, Any]) -> dict[str, Any]:
    defaults = {f.name: f.default for f in dataclasses.fields(GlobalOptimizationConfig)}
    return defaults | dict(preset)


def sampler_name(given: Any) -> str:
    """The sampler's own name.

    Raises
    ------
    ValueError
        There is none of this name.
    """
    name = ALIASES.get(given, given) if isinstance(given, str) else given
    if not isinstance(name, str) or name not in SAMPLERS:
        raise ValueError(
            f"`sampler` must be one of {', '.join(map(repr, SAMPLERS))}, got {given!r}."
        )
    return name


def _require_number(name: str, value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(f"{name} must be a number, got {value!r}.")
