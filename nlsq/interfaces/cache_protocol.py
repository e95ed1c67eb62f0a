"""What an object must offer to keep fits: ``curve_fit(..., cache=...)``."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any, Protocol, runtime_checkable


@runtime_checkable
class CacheProtocol(Protocol):
    """A table. `nlsq.SmartCache` is one; a user's own may be on disk, or shared by machines.

    A user's own gets keys of type str, the same in every process for the same fit by the same
    version of nlsq, and values that pickle. It may forget what it likes.

    Examples
    --------
    >>> import numpy as np, shelve
    >>> from nlsq import curve_fit
    >>> class OnDisk:
    ...     def get(self, key, default=None):
    ...         with shelve.open("fits") as file:
    ...             return file.get(key, default)
    ...     def set(self, key, value):
    ...         with shelve.open("fits") as file:
    ...             file[key] = value
    ...     def clear(self):
    ...         with shelve.open("fits") as file:
    ...             file.clear()
    >>> x = np.linspace(0, 1, 9)
    >>> for _ in range(2):
    ...     fit = curve_fit(lambda x, a: np.exp(-a * x), x, np.exp(-2 * x), cache=OnDisk())
    >>> with shelve.open("fits") as file:
    ...     len(file)
    1
    """

    def get(self, key: Hashable, default: Any = None) -> Any:
        """What `set` was given under an equal key, or `default`."""

    def set(self, key: Hashable, value: Any) -> None:
        """Keep a value, which is not None."""

    def clear(self) -> None:
        """Forget all."""


@runtime_checkable
class BoundedCacheProtocol(CacheProtocol, Protocol):
    """A table of limited size, in which room is made before something is set: `nlsq.SmartCache`."""

    @property
    def size_bytes(self) -> int:
        """Bytes of what is kept."""

    @property
    def max_size_bytes(self) -> int:
        """Bytes that may be kept; a value that is larger is not set."""

    def evict(self, n_bytes: int) -> int:
        """Forget what was used least until so many bytes are free again; how many there were."""
