"""The table by which the engine's front doors ask for what is built on top of the engine.

Layers import downwards. Where `curve_fit` hands over to a strategy above it, it asks here, by name
and when it is called; nothing is loaded before.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any


class Facade:
    """Names of one subsystem and the modules they live in.

    Examples
    --------
    >>> Facade({"CheckpointManager": "nlsq.streaming.checkpoint"}).CheckpointManager.__name__
    'CheckpointManager'
    """

    def __init__(self, homes: dict[str, str]):
        self._homes = homes

    def __getattr__(self, name: str) -> Any:
        if name not in self._homes:
            raise AttributeError(f"no {name!r} here; there are {', '.join(self._homes)}")
        return getattr(import_module(self._homes[name]), name)


streaming = Facade(
    {
        "HybridStreamingConfig": "nlsq.streaming.hybrid_config",
        "Reading": "nlsq.streaming.fitting",
        "as_source": "nlsq.streaming.opening",
        "fit_source": "nlsq.streaming.fitting",
        "in_memory": "nlsq.streaming.opening",
        "load": "nlsq.streaming.loading",
    }
)
