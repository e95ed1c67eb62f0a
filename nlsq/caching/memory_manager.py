"""What memory a fit may take: asked before it is taken, and remembered."""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import NamedTuple

from nlsq.caching.memory_pool import MemoryPool
from nlsq.config import get_memory_config


class Request(NamedTuple):
    """One question to the manager."""

    what: str
    n_bytes: int
    allowed_bytes: int

    @property
    def granted(self) -> bool:
        """Whether it fitted."""
        return self.n_bytes <= self.allowed_bytes


class MemoryManager:
    """Budget by `MemoryConfig`, and the pool of staging buffers.

    Parameters
    ----------
    ttl : float
        Seconds for which an answer of the operating system is good; asking takes 0.1 ms.
    small : int
        Requests below this many bytes are granted unasked, unless a limit is set.

    Attributes
    ----------
    pool : MemoryPool
    requests : deque of Request
        The last 1000 that were asked.

    Examples
    --------
    >>> manager = MemoryManager()
    >>> manager.require(10**8, "the Jacobian")
    >>> manager.requests[-1].granted
    True
    """

    def __init__(self, ttl: float = 1.0, small: int = 1 << 24) -> None:
        self.ttl, self.small = ttl, small
        self.pool = MemoryPool()
        self.requests: deque[Request] = deque(maxlen=1000)
        self._lock = threading.Lock()
        self._asked: tuple[object, float, int] = (None, 0.0, 0)

    def usable_bytes(self) -> int:
        """What a fit may plan with, not older than `ttl`."""
        config, now = get_memory_config(), time.monotonic()
        with self._lock:
            known, until, value = self._asked
            if known is not config or now >= until:
                value = config.usable_bytes
                self._asked = config, now + self.ttl, value
            return value

    def fits(self, n_bytes: int) -> bool:
        """Whether so many bytes fit into the budget."""
        return self._is_small(n_bytes) or n_bytes <= self.usable_bytes()

    def _is_small(self, n_bytes: int) -> bool:
        return n_bytes < self.small and not get_memory_config().is_set

    def require(self, n_bytes: int, what: str) -> None:
        """Raise MemoryError, naming the remedy, if `what` does not fit into the budget.

        Raises
        ------
        MemoryError
            Before anything of it is allocated.
        """
        if self._is_small(n_bytes):
            return
        request = Request(what, n_bytes, self.usable_bytes())
        self.requests.append(request)
        if not request.granted:
            get_memory_config().require(n_bytes, what)


manager = MemoryManager()


def get_memory_manager() -> MemoryManager:
    """The manager of this process, which all fits ask."""
    return manager


def get_memory_stats() -> dict[str, int]:
    """What a fit may take here, what the pool holds, and what became of the last requests.

    Examples
    --------
    >>> sorted(get_memory_stats())
    ['pool_bytes', 'pool_limit_bytes', 'refused', 'requests', 'usable_bytes']
    """
    asked = list(manager.requests)
    return {
        "usable_bytes": manager.usable_bytes(),
        "pool_bytes": manager.pool.held_bytes,
        "pool_limit_bytes": manager.pool.max_bytes,
        "requests": len(asked),
        "refused": sum(not request.granted for request in asked),
    }


def clear_memory_pool() -> None:
    """Free the buffers that are held for the next fit."""
    manager.pool.clear()
