"""The cache of compiled programs, and of everything else that is made once per content.

Keys are contents (code, constants, closure values, shapes), never identities, so an equal lambda
made anew finds its program; weak references to functions would forget it. A cache itself is known
by a weak reference, so that `cache_info` and `clear_cache` reach those in use.
"""

from __future__ import annotations

import threading
import weakref
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any, NamedTuple

_NOTHING = object()


class CacheInfo(NamedTuple):
    """Use of a cache since it was made or cleared."""

    hits: int
    misses: int
    size: int
    maxsize: int

    @property
    def hit_rate(self) -> float:
        """Share of the requests that found an entry; 0 before the first."""
        return self.hits / max(self.hits + self.misses, 1)


class UnifiedCache:
    """Thread-safe table of the most recently used things.

    Parameters
    ----------
    name : str
        What it holds; the key of `cache_info`.
    maxsize : int
        Number of entries kept; the least recently used one goes first.

    Examples
    --------
    >>> table = UnifiedCache("squares", maxsize=2)
    >>> table.get_or_make(3, lambda: 3**2)
    9
    >>> table.get_or_make(3, lambda: 0)
    9
    >>> table.info()
    CacheInfo(hits=1, misses=1, size=1, maxsize=2)
    """

    def __init__(self, name: str, maxsize: int = 128) -> None:
        self.name, self.maxsize = name, maxsize
        self._entries: OrderedDict[Hashable, Any] = OrderedDict()
        self._lock = threading.Lock()
        self._hits = self._misses = 0
        _caches.add(self)

    def get(self, key: Hashable, default: Any = None) -> Any:
        """The entry of `key`, or `default` when there is none."""
        with self._lock:
            found = self._entries.get(key, _NOTHING)
            if found is _NOTHING:
                self._misses += 1
                return default
            self._hits += 1
            self._entries.move_to_end(key)
            return found

    def set(self, key: Hashable, value: Any) -> None:
        """Keep an entry, in the place of one that is there."""
        with self._lock:
            if key in self._entries:
                self._entries.move_to_end(key, last=False)
                self._forget_oldest()
            self._add(key, value)

    def get_or_make(self, key: Hashable, make: Callable[[], Any]) -> Any:
        """The entry of `key`, made by `make()` when there is none; in all threads the same."""
        found = self.get(key, _NOTHING)
        if found is not _NOTHING:
            return found
        value = make()
        with self._lock:
            return self._entries[key] if key in self._entries else self._add(key, value)

    def _add(self, key: Hashable, value: Any) -> Any:
        self._entries[key] = value
        while len(self._entries) > self.maxsize:
            self._forget_oldest()
        return value

    def _forget_oldest(self) -> Any:
        return self._entries.popitem(last=False)[1]

    def values(self) -> list[Any]:
        """What is kept now; that asks for none of it."""
        with self._lock:
            return list(self._entries.values())

    def info(self) -> CacheInfo:
        """Hits, misses and size."""
        with self._lock:
            return CacheInfo(self._hits, self._misses, len(self._entries), self.maxsize)

    def clear(self) -> None:
        """Forget everything, the counts too."""
        with self._lock:
            self._entries.clear()
            self._hits = self._misses = 0


_caches: weakref.WeakSet[UnifiedCache] = weakref.WeakSet()


def cache_info() -> dict[str, CacheInfo]:
    """Use of every cache in this process, by name; of several of a name each has a number.

    Examples
    --------
    >>> import nlsq
    >>> sorted(nlsq.cache_info())  # doctest: +SKIP
    ['models', 'programs']
    """
    found: dict[str, CacheInfo] = {}
    for cache in list(_caches):
        same = sum(name.split(" ")[0] == cache.name for name in found)
        found[f"{cache.name} {same + 1}" if same else cache.name] = cache.info()
    return dict(sorted(found.items()))


def get_cache_stats() -> dict[str, float]:
    """Use of all caches of `cache_info` together.

    Examples
    --------
    >>> sorted(get_cache_stats())
    ['hit_rate', 'hits', 'maxsize', 'misses', 'size']
    """
    total = CacheInfo(*map(sum, zip((0, 0, 0, 0), *cache_info().values(), strict=True)))
    return total._asdict() | {"hit_rate": total.hit_rate}


def clear_cache() -> None:
    """Forget compiled programs, models and fits that are kept in memory; the disk stays."""
    for cache in list(_caches):
        cache.clear()
