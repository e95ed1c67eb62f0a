"""What can be chosen about a search by CMA-ES."""

from __future__ import annotations

import importlib.util
import math
import os
from dataclasses import dataclass, fields, replace
from numbers import Integral, Real
from pathlib import Path
from typing import Any

from nlsq.utils.input_error import did_you_mean

#: The settings by name; what is not named has its default.
CMAES_PRESETS: dict[str, dict[str, Any]] = {
    "cmaes-fast": {"max_generations": 50, "restart_strategy": "none", "max_restarts": 0},
    "cmaes": {},
    "cmaes-global": {"max_generations": 400, "max_restarts": 9, "agreeing_runs": 5},
}


def is_evosax_available() -> bool:
    """Whether evosax is installed, which `sampler="evosax"` needs."""
    return importlib.util.find_spec("evosax") is not None


def get_evosax_import_error() -> str | None:
    """What is missing for `sampler="evosax"`, and the remedy; None if nothing is."""
    if is_evosax_available():
        return None
    return "sampler='evosax' needs evosax, which is not installed: pip install nlsq[global]"


@dataclass(frozen=True)
class CMAESConfig:
    """How CMA-ES searches for the start from which the fit is made.

    Parameters
    ----------
    popsize : int, optional
        Candidates of a generation in the first run, at least 4; default 4 + 3 ln n.
    max_generations : int
        Longest run, in generations.
    sigma : float
        First step, as a part of the range of each parameter.
    tol_fun : float
        A run ends when its costs differ by less than this part of the best one.
    tol_x : float
        A run ends when its steps are shorter than this part of the first one.
    restart_strategy : {'bipop', 'none'}
        Whether further runs follow, with larger and smaller populations by turns.
    max_restarts : int
        Restarts with a population twice as large; those with small ones come between them.
    agreeing_runs : int
        The restarts end when so many runs ended in the best minimum.
    max_evaluations : int, optional
        Parameter vectors whose cost is evaluated, in all runs; default: no limit.
    time_limit : float, optional
        Seconds for the search; the best start found by then is taken. Default: no limit.
    refine_with_nlsq : bool
        Whether a run ends as soon as least squares lead from it to a minimum. If not, it goes on
        until its own tests end it. The final fit is made in both cases.
    seed : int, optional
        Equal seeds give equal searches; None takes a new one each time.
    sampler : {'nlsq', 'evosax'}
        Whose CMA-ES draws the candidates; 'evosax' needs ``pip install nlsq[global]``.
    checkpoint_dir : path, optional
        Folder in which the state of the search is kept, from which a search that was killed goes on
        bit by bit. Default: none.
    checkpoint_interval : int
        Generations from one checkpoint to the next.
    run_id : str, optional
        Name of the checkpoint's file; default 'cmaes'.

    Raises
    ------
    ValueError, TypeError
        For a value that cannot be used, with what can.

    Examples
    --------
    >>> CMAESConfig.from_preset("cmaes-fast").max_generations
    50
    >>> CMAESConfig(popsize=2)
    Traceback (most recent call last):
        ...
    ValueError: popsize must be a whole number of at least 4, got 2.
    """

    popsize: int | None = None
    max_generations: int = 200
    sigma: float = 0.1
    tol_fun: float = 1e-8
    tol_x: float = 1e-8
    restart_strategy: str = "bipop"
    max_restarts: int = 5
    agreeing_runs: int = 2
    max_evaluations: int | None = None
    time_limit: float | None = None
    refine_with_nlsq: bool = True
    seed: int | None = 0
    sampler: str = "nlsq"
    checkpoint_dir: str | os.PathLike | None = None
    checkpoint_interval: int = 10
    run_id: str | None = None

    def __post_init__(self):
        for name, least in _WHOLE.items():
            _check_whole(name, getattr(self, name), least, optional=name in _OPTIONAL)
        for name in ("sigma", "tol_fun", "tol_x", "time_limit"):
            value = getattr(self, name)
            if not (value is None and name in _OPTIONAL) and not _positive(value):
                raise ValueError(f"{name} must be a positive number, got {value!r}.")
        for name, known in _CHOICES.items():
            _check_choice(name, getattr(self, name), known)
        if not isinstance(self.refine_with_nlsq, bool):
            raise ValueError(f"refine_with_nlsq must be a bool, got {self.refine_with_nlsq!r}.")
        if self.popsize and self.max_evaluations and self.max_evaluations < self.popsize:
            raise ValueError(too_few(self.max_evaluations, self.popsize))
        self._check_checkpoints()

    def _check_checkpoints(self) -> None:
        name, folder = self.run_id, self.checkpoint_dir
        if name is not None and not (
            isinstance(name, str) and name.isprintable() and name and Path(name).name == name
        ):
            raise ValueError(f"run_id must be a file's name without folders, got {name!r}.")
        if folder is not None and not isinstance(folder, str | os.PathLike):
            raise TypeError(f"checkpoint_dir must be the path of a folder, got {folder!r}.")
        if folder is not None and (not os.fspath(folder) or "\0" in str(folder)):
            raise ValueError(f"checkpoint_dir must name a folder, got {folder!r}.")
        if self.checkpoint_dir is None:
            if self.run_id is not None:
                raise ValueError("run_id names a checkpoint: give checkpoint_dir too.")
        elif self.sampler == "evosax":
            raise ValueError(
                "checkpoint_dir needs sampler='nlsq': the state of evosax is not stored."
            )

    @classmethod
    def from_preset(cls, preset_name: str, **changes: Any) -> CMAESConfig:
        """The settings of a preset, and changes to them.

        Parameters
        ----------
        preset_name : {'cmaes-fast', 'cmaes', 'cmaes-global'}
            One run of 50 generations; restarts until two runs agree, or five.
        **changes
            Fields that differ from the preset's.
        """
        _check_choice("preset_name", preset_name, tuple(CMAES_PRESETS))
        known = [f.name for f in fields(cls)]
        for name in changes:
            if name not in known:
                hint = did_you_mean(name, known, f"; there are {', '.join(known)}.")
                raise TypeError(f"CMAESConfig has no field {name!r}{hint}")
        return cls(**{**CMAES_PRESETS[preset_name], **changes})


def read_config(method: str, given: dict[str, Any]) -> CMAESConfig:
    """The settings that a call of `curve_fit` asks for.

    Raises
    ------
    TypeError, ValueError
        For settings of a search from many starts, or that contradict each other.
    """
    given = {name: value for name, value in given.items() if value is not None}
    config = given.pop("cmaes_config", None)
    changes = {name: given.pop(name) for name in ("seed", "sampler") if name in given}
    if given:
        raise TypeError(
            f"{next(iter(given))!r} is for a search from many starts, not for method={method!r}: "
            "its settings are cmaes_config=CMAESConfig(...)."
        )
    if config is None:
        return CMAESConfig.from_preset(method, **changes)
    if not isinstance(config, CMAESConfig):
        raise TypeError(f"cmaes_config must be a CMAESConfig, got {config!r}.")
    if method != "cmaes":
        raise TypeError(f"method={method!r} has its own settings: give cmaes_config to 'cmaes'.")
    return replace(config, **changes)


_WHOLE = {
    "popsize": 4, "max_generations": 1, "max_restarts": 0, "agreeing_runs": 1,
    "max_evaluations": 4, "seed": 0, "checkpoint_interval": 1,
}  # fmt: skip
_OPTIONAL = ("popsize", "max_evaluations", "seed", "time_limit")
_CHOICES = {"restart_strategy": ("bipop", "none"), "sampler": ("nlsq", "evosax")}


def too_few(evaluations: int, popsize: int) -> str:
    """Sentences for a budget that ends before the first generation does."""
    return (
        f"max_evaluations={evaluations} is too few for one generation of {popsize} candidates. "
        f"Allow {popsize} or more, better {100 * popsize}, or set a smaller popsize (at least 4)."
    )


def _positive(value: Any) -> bool:
    number = isinstance(value, Real) and not isinstance(value, bool)
    return number and 0 < value < math.inf


def _check_whole(name: str, value: Any, least: int, optional: bool) -> None:
    if value is None and optional:
        return
    whole = isinstance(value, Integral) and not isinstance(value, bool)
    if not (whole and value >= least):
        raise ValueError(f"{name} must be a whole number of at least {least}, got {value!r}.")


def _check_choice(name: str, value: Any, known: tuple[str, ...]) -> None:
    if not isinstance(value, str) or value not in known:
        there = f"; there are {', '.join(map(repr, known))}."
        raise ValueError(f"{name} cannot be {value!r}{did_you_mean(str(value), known, there)}")
