"""What protected a warm-up, and when."""

from __future__ import annotations

import dataclasses
from collections import Counter
from typing import Any

LAYERS = {
    "warm start": "the start explained the data already, so that no warm-up was made",
    "step clipped": "a step was shortened",
    "cost went up": "a step that raised the cost was halved",
    "not finite": "a step led to where the model is not finite, and was halved",
    "steepest descent": "L-BFGS pointed uphill and was begun anew from the gradient",
}


@dataclasses.dataclass(frozen=True)
class Event:
    """One protective decision: which `layer`, in which iteration, what it saw and its limit."""

    layer: str
    iteration: int
    value: float
    limit: float


class DefenseLayerTelemetry:
    """The protective decisions of one fit's warm-up.

    Attributes
    ----------
    events : list of Event

    Examples
    --------
    >>> telemetry = DefenseLayerTelemetry()
    >>> telemetry.record("step clipped", 3, 0.8, 0.5)
    >>> telemetry.counts()
    {'step clipped': 1}
    >>> print(telemetry.summary())
    step clipped (1 time, first in iteration 3): a step was shortened
    """

    def __init__(self) -> None:
        self.events: list[Event] = []

    def record(self, layer: str, iteration: int, value: float, limit: float) -> None:
        """Note a decision of one of `LAYERS`."""
        if layer not in LAYERS:
            raise ValueError(f"layer must be one of {tuple(LAYERS)}, got {layer!r}.")
        self.events.append(Event(layer, int(iteration), float(value), float(limit)))

    def counts(self) -> dict[str, int]:
        """How often each layer acted."""
        return dict(Counter(event.layer for event in self.events))

    def summary(self) -> str:
        """A line for each layer that acted."""
        lines = []
        for layer, count in self.counts().items():
            first = next(e.iteration for e in self.events if e.layer == layer)
            times = "1 time" if count == 1 else f"{count} times"
            lines.append(f"{layer} ({times}, first in iteration {first}): {LAYERS[layer]}")
        return "\n".join(lines) or "no layer acted"

    def export(self) -> list[dict[str, Any]]:
        """The events as dictionaries."""
        return [dataclasses.asdict(event) for event in self.events]
