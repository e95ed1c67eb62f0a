"""What is kept between fits: programs in memory and on disk, fits, buffers.

unified_cache   compiled programs and the like, by content      `cache_info`, `clear_cache`
smart_cache     results of fits, by content; the user asks for it
memory_pool     staging buffers
memory_manager  what memory a fit may take
disk            XLA's compilations, in the user's cache directory
lowered         what JAX hands to XLA for the step of the loop, beside them
"""
