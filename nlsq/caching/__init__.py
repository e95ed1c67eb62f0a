"""What is kept between fits: programs in memory and on disk, fits, buffers.

unified_cache   compiled programs and the like, by content      `cache_info`, `clear_cache`
smart_cache     results of fits, by content; the user asks for it
memory_pool     staging buffers
memory_manager  what memory a fit may take
disk            XLA's compilations, in the user's cache directory
lowered         what JAX hands to XLA for the step of the loop, beside them
"""

from typing import TYPE_CHECKING

from nlsq.utils.lazily import lazily

if TYPE_CHECKING:
    from nlsq.caching.memory_manager import MemoryManager as MemoryManager
    from nlsq.caching.memory_manager import clear_memory_pool as clear_memory_pool
    from nlsq.caching.memory_manager import get_memory_manager as get_memory_manager
    from nlsq.caching.memory_manager import get_memory_stats as get_memory_stats
    from nlsq.caching.memory_pool import MemoryPool as MemoryPool
    from nlsq.caching.smart_cache import SmartCache as SmartCache
    from nlsq.caching.unified_cache import CacheInfo as CacheInfo
    from nlsq.caching.unified_cache import UnifiedCache as UnifiedCache
    from nlsq.caching.unified_cache import cache_info as cache_info
    from nlsq.caching.unified_cache import clear_cache as clear_cache
    from nlsq.caching.unified_cache import get_cache_stats as get_cache_stats

_HOME = {
    "CacheInfo": "unified_cache",
    "MemoryManager": "memory_manager",
    "MemoryPool": "memory_pool",
    "SmartCache": "smart_cache",
    "UnifiedCache": "unified_cache",
    "cache_info": "unified_cache",
    "clear_cache": "unified_cache",
    "clear_memory_pool": "memory_manager",
    "get_cache_stats": "unified_cache",
    "get_memory_manager": "memory_manager",
    "get_memory_stats": "memory_manager",
}
__all__ = sorted(_HOME)
__getattr__, __dir__ = lazily(__name__, _HOME)
