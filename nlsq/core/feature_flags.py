"""Which implementation of each stage a fit takes: `FeatureFlags.from_env()`.

Four environment variables say it, read anew by every `curve_fit` and `fit` (`fit_many` and
`least_squares` have the engine only):

``NLSQ_PREPROCESSOR_IMPL``  checking the data
``NLSQ_SELECTOR_IMPL``      start, bounds, options, and the solver that takes them
``NLSQ_STREAMING_IMPL``     the road through the data
``NLSQ_COVARIANCE_IMPL``    the covariance

``new`` is the engine. ``old`` is the plain reference (`nlsq.core.orchestration.old`), which is slow
and gives the same answers: with it a user finds out whether the engine is to blame.
``auto`` (default) is ``new`` for ``NLSQ_REFACTOR_ROLLOUT_PERCENT`` of the calls (0 to 100, default
100) and ``old`` for the others; a hash of the model's name and the number of points decides, so
that the same call takes the same road in every run.
"""

from __future__ import annotations

import functools
import os
import zlib
from dataclasses import dataclass, replace

COMPONENTS = ("preprocessor", "selector", "covariance", "streaming")
CHOICES = ("old", "new", "auto")
ENV_ROLLOUT_PERCENT = "NLSQ_REFACTOR_ROLLOUT_PERCENT"


def variable(component: str) -> str:
    """The environment variable of a component.

    Examples
    --------
    >>> variable("covariance")
    'NLSQ_COVARIANCE_IMPL'
    """
    return f"NLSQ_{component.upper()}_IMPL"


@dataclass(frozen=True)
class FeatureFlags:
    """One choice for each stage, 'old', 'new' or 'auto', and the roll-out that 'auto' follows.

    Raises
    ------
    ValueError
        Naming the variable, its value and the choices.

    Examples
    --------
    >>> flags = FeatureFlags(covariance_impl="old")
    >>> flags.get_impl("covariance"), flags.get_impl("selector")
    ('old', 'new')
    """

    preprocessor_impl: str = "auto"
    selector_impl: str = "auto"
    covariance_impl: str = "auto"
    streaming_impl: str = "auto"
    rollout_percent: int = 100

    def __post_init__(self) -> None:
        for component in COMPONENTS:
            value = getattr(self, f"{component}_impl")
            if value not in CHOICES:
                raise ValueError(
                    f"{variable(component)} must be 'old', 'new' or 'auto', got {value!r}."
                )
        percent = self.rollout_percent
        if not isinstance(percent, int) or isinstance(percent, bool) or not 0 <= percent <= 100:
            raise ValueError(
                f"{ENV_ROLLOUT_PERCENT} must be a whole number from 0 to 100, got {percent!r}."
            )

    @classmethod
    def from_env(cls) -> FeatureFlags:
        """The flags that the environment sets now."""
        raw = as_set()
        flags = _known.get(raw)
        if flags is None:
            flags = _known[raw] = _read(raw)
        return flags

    def get_impl(self, component: str, identity: str = "") -> str:
        """'old' or 'new' for the call of this identity.

        Examples
        --------
        >>> half = FeatureFlags(rollout_percent=50)
        >>> sorted({half.get_impl("selector", name) for name in ("decay", "peak", "line", "wave")})
        ['new', 'old']
        """
        choice = getattr(self, f"{component}_impl")
        if choice != "auto":
            return choice
        if self.rollout_percent in (0, 100):
            return "new" if self.rollout_percent else "old"
        share = zlib.crc32(f"{component}:{identity}".encode()) % 100
        return "new" if share < self.rollout_percent else "old"

    def should_use_new(self, component: str, identity: str = "") -> bool:
        """Whether `get_impl` says 'new'."""
        return self.get_impl(component, identity) == "new"

    @functools.cached_property
    def all_new(self) -> bool:
        """Whether every stage of every call is 'new'."""
        choices = {getattr(self, f"{component}_impl") for component in COMPONENTS}
        return "old" not in choices and ("auto" not in choices or self.rollout_percent == 100)

    def with_override(self, **changes: str | int) -> FeatureFlags:
        """The same flags but for `changes`.

        Examples
        --------
        >>> FeatureFlags().with_override(covariance_impl="old").get_impl("covariance")
        'old'
        """
        return replace(self, **changes)

    def to_env_dict(self) -> dict[str, str]:
        """The environment variables that say the same."""
        found = {variable(c): getattr(self, f"{c}_impl") for c in COMPONENTS}
        return found | {ENV_ROLLOUT_PERCENT: str(self.rollout_percent)}


# os.environ encodes each name and raises inside for one that is absent: 1 µs a variable
_encode = getattr(os.environ, "encodekey", str) if hasattr(os.environ, "_data") else str
_ONE, _TWO, _THREE, _FOUR, _SHARE = (
    _encode(name) for name in (*map(variable, COMPONENTS), ENV_ROLLOUT_PERCENT)
)
_known: dict[tuple, FeatureFlags] = {}


def as_set() -> tuple[str | bytes | None, ...]:
    """What the environment has for the five variables, as the system keeps it."""
    get = getattr(os.environ, "_data", os.environ).get
    return get(_ONE), get(_TWO), get(_THREE), get(_FOUR), get(_SHARE)


def _read(raw: tuple[str | bytes | None, ...]) -> FeatureFlags:
    texts = [None if value is None else os.fsdecode(value).strip() for value in raw]
    *choices, percent = texts
    impl = [(text or "auto").lower() for text in choices]
    if not percent:
        return FeatureFlags(*impl)
    try:
        share = int(percent)
    except ValueError:
        share = percent  # refused there with the others
    return FeatureFlags(*impl, share)
