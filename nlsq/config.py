"""Settings: precision and device of our calls, memory limits, size thresholds.

Nothing here changes JAX for the rest of the program unless a function says so. Double precision
and the device are contexts around our own calls; overrides of the memory and data-size settings
are context variables, so two threads do not see each other's.

Environment variables, read when they are needed
------------------------------------------------
``NLSQ_BACKEND``
    How fits run whose call does not say it: numpy, jax or auto (:func:`backend`).
``NLSQ_FORCE_CPU``
    1: fits run on the CPU even where JAX has an accelerator.
``NLSQ_SKIP_GPU_CHECK``
    1: do not look for a GPU that JAX cannot use (:mod:`nlsq.device`).
``NLSQ_DISABLE_PERSISTENT_CACHE``
    1: keep no compiled code on disk (:mod:`nlsq.caching.disk`).
``NLSQ_DEBUG``
    1: log to standard error (:mod:`nlsq.utils.logging`).
``NLSQ_MEMORY_LIMIT_GB``
    The default of ``MemoryConfig.memory_limit_gb``.
``NLSQ_SAFE_MODE``
    1: the window keeps no session for after a crash, and offers none (:mod:`nlsq.gui_qt.autosave`).
``NLSQ_PREPROCESSOR_IMPL``, ``..._SELECTOR_...``, ``..._STREAMING_...``, ``..._COVARIANCE_...``
    old: the plain reference does this stage of a fit (:mod:`nlsq.core.feature_flags`).
"""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from contextvars import ContextVar
from dataclasses import KW_ONLY, dataclass, field
from numbers import Integral, Real
from types import MappingProxyType
from typing import Any, ClassVar, Literal

from nlsq.constants import DEFAULT_MEMORY_LIMIT_GB

_GB = 10**9
_THRESHOLDS = {"direct": 100_000, "iterative": 10_000_000, "chunked": 100_000_000}
BACKENDS = ("auto", "numpy", "jax")
Strategy = Literal["direct", "iterative", "chunked", "streaming"]


def env_flag(name: str) -> bool:
    """Whether the environment variable `name` is set to 1, true, yes or on.

    Raises
    ------
    ValueError
        If it is set to something that is neither on nor off.
    """
    text = os.environ.get(name, "").strip().lower()
    if text in ("1", "true", "yes", "on"):
        return True
    if text in ("", "0", "false", "no", "off"):
        return False
    raise ValueError(f"{name}={text!r} is neither on nor off; set it to 1 or 0.")


def backend() -> str:
    """What `NLSQ_BACKEND` says: how fits run whose call does not say it by `backend`.

    'numpy': as they are read, where a breakpoint in a method stops. 'jax': in compiled programs,
    where the model can be one. 'auto', the default: by NumPy at once, and by programs as soon as
    they pay (`nlsq.core.drive.buying`).

    Raises
    ------
    ValueError
        It is none of them.

    Examples
    --------
    >>> backend()
    'auto'
    """
    name = os.environ.get("NLSQ_BACKEND") or "auto"
    if name not in BACKENDS:
        raise ValueError(f"NLSQ_BACKEND={name!r} is no backend; set it to one of {BACKENDS}.")
    return name


def _positive(value: object, name: str) -> float:
    if isinstance(value, bool) or not isinstance(value, Real) or not 0 < value < math.inf:
        raise ValueError(f"{name} must be a positive finite number, got {value!r}.")
    return float(value)


@dataclass(frozen=True)
class MemoryConfig:
    """How much memory a fit may plan with.

    Parameters
    ----------
    memory_limit_gb : float, optional
        Limit in GB (10**9 bytes). Default: ``NLSQ_MEMORY_LIMIT_GB``, else the memory that is free
        when it is asked for, else 16.
    safety_factor : float
        Share of the limit that is planned with, above 0 and at most 1 (default 0.8).
    auto_chunk_threshold_gb : float, optional
        `nlsq.fit` reads larger files in pieces though they would fit into memory; default: none.
    min_chunk_size, max_chunk_size : int
        Limits of the points read at once where nobody says how many (default 1024, 524 288).
    progress_reporting : bool
        False: no progress line on a terminal, but where one is asked for (default True).

    Raises
    ------
    ValueError
        If a value is out of range.

    Examples
    --------
    >>> MemoryConfig(memory_limit_gb=4, safety_factor=0.5).usable_bytes
    2000000000
    """

    memory_limit_gb: float | None = None
    safety_factor: float = 0.8
    _: KW_ONLY
    auto_chunk_threshold_gb: float | None = None
    min_chunk_size: int = 1 << 10
    max_chunk_size: int = 1 << 19
    progress_reporting: bool = True

    def __post_init__(self) -> None:
        for name in ("memory_limit_gb", "auto_chunk_threshold_gb"):
            if getattr(self, name) is not None:
                object.__setattr__(self, name, _positive(getattr(self, name), name))
        for name in ("min_chunk_size", "max_chunk_size"):
            size = getattr(self, name)
            if isinstance(size, bool) or not isinstance(size, Integral) or size < 1:
                raise ValueError(f"{name} must be a positive whole number, got {size!r}.")
        if self.min_chunk_size > self.max_chunk_size:
            raise ValueError(
                f"min_chunk_size must not exceed max_chunk_size, got {self.min_chunk_size} and "
                f"{self.max_chunk_size}."
            )
        if not isinstance(self.progress_reporting, bool):
            raise ValueError(
                f"progress_reporting must be True or False, got {self.progress_reporting!r}."
            )
        factor = _positive(self.safety_factor, "safety_factor")
        if factor > 1:
            raise ValueError(f"safety_factor is a share of the limit, at most 1; got {factor!r}.")
        object.__setattr__(self, "safety_factor", factor)

    @property
    def is_set(self) -> bool:
        """Whether somebody set a limit; else it is what memory is free."""
        return self.memory_limit_gb is not None or "NLSQ_MEMORY_LIMIT_GB" in os.environ

    @property
    def limit_bytes(self) -> int:
        """The limit in force, in bytes."""
        if self.memory_limit_gb is not None:
            return int(self.memory_limit_gb * _GB)
        text = os.environ.get("NLSQ_MEMORY_LIMIT_GB")
        if text is None:
            return _free_bytes()
        try:
            return int(_positive(float(text), "NLSQ_MEMORY_LIMIT_GB") * _GB)
        except ValueError:
            raise ValueError(
                f"NLSQ_MEMORY_LIMIT_GB must be a positive number of gigabytes, got {text!r}."
            ) from None

    @property
    def usable_bytes(self) -> int:
        """What a fit may plan with: the limit times the safety factor, in bytes."""
        return int(self.limit_bytes * self.safety_factor)

    @property
    def held_bytes(self) -> int:
        """What a file may take to be read into memory as a whole, in bytes."""
        threshold = self.auto_chunk_threshold_gb
        return (
            self.usable_bytes if threshold is None else min(self.usable_bytes, int(threshold * _GB))
        )

    def require(self, n_bytes: int, what: str) -> None:
        """Raise MemoryError, naming the remedy, if `what` of `n_bytes` is over the limit."""
        if n_bytes > self.usable_bytes:
            raise MemoryError(
                f"{what} takes {n_bytes / _GB:.3g} GB; {self.usable_bytes / _GB:.3g} GB are "
                "allowed. Raise the limit by NLSQ_MEMORY_LIMIT_GB or "
                "nlsq.memory_context(nlsq.MemoryConfig(memory_limit_gb=...))."
            )


def _free_bytes() -> int:
    import psutil

    try:
        return int(psutil.virtual_memory().available)
    except (OSError, RuntimeError, NotImplementedError):  # e.g. a container without /proc
        return int(DEFAULT_MEMORY_LIMIT_GB * _GB)


@dataclass(frozen=True)
class LargeDatasetConfig:
    """From how many points on data that are not in memory take another road.

    What a fit asks for itself (``workflow=``, a checkpoint, a chunk size) outranks these settings.

    Parameters
    ----------
    enable_automatic_solver_selection : bool
        False: all data are read into memory, whatever their size, and MemoryError is raised where
        they do not fit (default True).
    solver_selection_thresholds : mapping
        Up to ``direct`` points (default 100 000) data are read into memory in any case, up to
        ``iterative`` (10 000 000) where they fit into what `MemoryConfig` allows; up to
        ``chunked`` (100 000 000) they are read in pieces, in every pass, and above in pieces after
        a warm-up on a sample (``streaming``). Keys left out keep their default.

    Raises
    ------
    ValueError
        For an unknown key, a value that is not a positive integer, or thresholds that do not
        increase.
    TypeError
        If an argument has the wrong type.

    Examples
    --------
    >>> LargeDatasetConfig().strategy(2_000_000)
    'iterative'
    """

    enable_automatic_solver_selection: bool = True
    solver_selection_thresholds: Mapping[str, int] = field(default_factory=_THRESHOLDS.copy)

    def __post_init__(self) -> None:
        if not isinstance(self.enable_automatic_solver_selection, bool):
            raise TypeError(
                "enable_automatic_solver_selection must be True or False, got "
                f"{self.enable_automatic_solver_selection!r}."
            )
        given = self.solver_selection_thresholds
        if not isinstance(given, Mapping):
            raise TypeError(f"solver_selection_thresholds must be a mapping, got {given!r}.")
        for key, value in given.items():
            if key not in _THRESHOLDS:
                known = ", ".join(_THRESHOLDS)
                raise ValueError(f"Unknown threshold {key!r}; the thresholds are {known}.")
            if isinstance(value, bool) or not isinstance(value, Integral) or value < 1:
                raise ValueError(f"Threshold {key!r} must be a positive integer, got {value!r}.")
        merged = _THRESHOLDS | dict(given)
        if not merged["direct"] < merged["iterative"] < merged["chunked"]:
            raise ValueError(f"Thresholds must satisfy direct < iterative < chunked, got {merged}.")
        object.__setattr__(self, "solver_selection_thresholds", MappingProxyType(merged))

    def __reduce__(self):  # a mapping proxy does not pickle
        thresholds = dict(self.solver_selection_thresholds)
        return type(self), (self.enable_automatic_solver_selection, thresholds)

    def strategy(self, n_points: int) -> Strategy:
        """The road for `n_points` data points."""
        if not self.enable_automatic_solver_selection:
            return "direct"
        for name, most in self.solver_selection_thresholds.items():
            if n_points <= most:
                return name
        return "streaming"


_memory_override: ContextVar[MemoryConfig | None] = ContextVar("nlsq_memory", default=None)
_large_override: ContextVar[LargeDatasetConfig | None] = ContextVar("nlsq_large", default=None)


class JAXConfig:
    """The settings of this process; every instance is the same object.

    Examples
    --------
    >>> JAXConfig() is JAXConfig()
    True
    """

    _instance: ClassVar[JAXConfig | None] = None
    _memory: MemoryConfig
    _large: LargeDatasetConfig

    def __new__(cls) -> JAXConfig:
        if cls._instance is None:
            fresh = super().__new__(cls)
            fresh._memory = MemoryConfig()
            fresh._large = LargeDatasetConfig()
            cls._instance = fresh
        return cls._instance

    @classmethod
    def get_memory_config(cls) -> MemoryConfig:
        """The memory settings in force here: the innermost `memory_context`, else the process's."""
        return _memory_override.get() or cls()._memory

    @classmethod
    def set_memory_config(cls, config: MemoryConfig) -> None:
        """Set the memory settings of the process."""
        cls()._memory = _checked(config, MemoryConfig)

    @classmethod
    def get_large_dataset_config(cls) -> LargeDatasetConfig:
        """The size thresholds in force here."""
        return _large_override.get() or cls()._large

    @classmethod
    def set_large_dataset_config(cls, config: LargeDatasetConfig) -> None:
        """Set the size thresholds of the process."""
        cls()._large = _checked(config, LargeDatasetConfig)

    @classmethod
    def memory_context(cls, memory_config: MemoryConfig) -> AbstractContextManager[MemoryConfig]:
        """Use `memory_config` inside the ``with`` block, in this thread."""
        return _override(_memory_override, _checked(memory_config, MemoryConfig))

    @classmethod
    def large_dataset_context(
        cls, large_dataset_config: LargeDatasetConfig
    ) -> AbstractContextManager[LargeDatasetConfig]:
        """Use `large_dataset_config` inside the ``with`` block, in this thread."""
        return _override(_large_override, _checked(large_dataset_config, LargeDatasetConfig))

    @staticmethod
    def is_x64_enabled() -> bool:
        """Whether JAX computes in double precision here, outside our own calls."""
        import jax

        return bool(jax.config.jax_enable_x64)

    @staticmethod
    def enable_x64(enable: bool = True) -> None:
        """Switch JAX's global precision flag, for the program's own JAX code.

        Fits need no such switch: they run in double precision whatever the flag says.
        """
        import jax

        jax.config.update("jax_enable_x64", enable)

    @staticmethod
    def precision_context(use_x64: bool) -> AbstractContextManager[None]:
        """Let JAX compute in double (or single) precision inside the ``with`` block."""
        import jax

        return jax.enable_x64(use_x64)


def _checked(config, kind):
    if not isinstance(config, kind):
        raise TypeError(f"Expected a {kind.__name__}, got {config!r}.")
    return config


@contextmanager
def _override(variable: ContextVar, value) -> Iterator:
    token = variable.set(value)
    try:
        yield value
    finally:
        variable.reset(token)


get_memory_config = JAXConfig.get_memory_config
get_large_dataset_config = JAXConfig.get_large_dataset_config
memory_context = JAXConfig.memory_context
large_dataset_context = JAXConfig.large_dataset_context
precision_context = JAXConfig.precision_context
enable_x64 = JAXConfig.enable_x64
is_x64_enabled = JAXConfig.is_x64_enabled


def set_memory_limits(memory_limit_gb: float, safety_factor: float = 0.8) -> None:
    """Set the memory limit of the process; see :class:`MemoryConfig`.

    Examples
    --------
    >>> set_memory_limits(8.0)
    """
    JAXConfig.set_memory_config(MemoryConfig(memory_limit_gb, safety_factor))


def double_precision() -> AbstractContextManager:
    """The context every fit runs in: double precision, on the device `NLSQ_FORCE_CPU` allows.

    JAX's usual promotion rules too, where the program chose strict ones for itself. Only the
    calling thread is affected, and only inside the block. JAX is not loaded for it; where a user's
    function loads JAX inside the block, `jax_has_come` makes up for it.

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> with double_precision():
    ...     print(jnp.ones(1).dtype)
    float64
    """
    if "jax" not in sys.modules:
        return _without_jax()
    import jax

    usual = (
        jax.config.jax_numpy_rank_promotion == "allow"
        and jax.config.jax_numpy_dtype_promotion == "standard"
    )
    if usual and "NLSQ_FORCE_CPU" not in os.environ:
        return jax.enable_x64(True)
    stack = ExitStack()
    stack.enter_context(jax.enable_x64(True))
    stack.enter_context(jax.numpy_rank_promotion("allow"))
    stack.enter_context(jax.numpy_dtype_promotion("standard"))
    if env_flag("NLSQ_FORCE_CPU") and jax.default_backend() != "cpu":
        stack.enter_context(jax.default_device(jax.devices("cpu")[0]))
    return stack


# what ends with the outermost block that this context entered without JAX
_waiting: ContextVar[ExitStack | None] = ContextVar("nlsq_waiting", default=None)


@contextmanager
def _without_jax() -> Iterator[None]:
    if _waiting.get() is not None:
        yield
        return
    with ExitStack() as stack:
        token = _waiting.set(stack)
        try:
            yield
        finally:
            _waiting.reset(token)


def jax_has_come() -> bool:
    """Whether JAX was loaded since a block of `double_precision` around here began without it.

    What JAX computed so far is in single precision. The rest of the block runs in double.

    Examples
    --------
    >>> jax_has_come()
    False
    """
    stack = _waiting.get()
    if stack is None or "jax" not in sys.modules:
        return False
    _waiting.set(None)
    stack.enter_context(double_precision())
    return True


def in_double(function: Callable, *given: Any) -> Any:
    """function(*given) in such a block, once more where the call is what loaded JAX.

    Examples
    --------
    >>> in_double(max, 1, 2)
    2
    """
    value = function(*given)
    return function(*given) if jax_has_come() else value
