"""A job of one process: what `ranks.Ranks` is for many, where there is nobody to tell anything."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any


class Alone:
    """This process, the first and only one."""

    rank, count = 0, 1
    beside = 1  # processes on this machine, this one among them

    def each(self, work: Callable[[], Any], named: bool = False) -> list:
        """What work() gives, of each process."""
        return [work()]

    def agree(self, work: Callable[[], Any], named: bool = False) -> Any:
        """What work() gives here, if it raises nowhere."""
        return work()

    def first(self, work: Callable[[], Any]) -> Any:
        """What work() gives on the first process."""
        return work()

    def alike(self, told: dict[str, Any], remedy: str) -> None:
        """Refuse processes that differ in what they tell."""

    def apart(self) -> None:
        """From here on no process waits for another."""

    def together(self) -> AbstractContextManager:
        """A context in which all processes do the same."""
        return nullcontext()

    def close(self) -> None:
        """Nothing to leave."""


ALONE = Alone()
