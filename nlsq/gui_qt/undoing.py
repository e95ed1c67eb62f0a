"""The steps that can be undone: an entry that changes, fits that come and go."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

from PySide6.QtGui import QUndoCommand


class Swap(QUndoCommand):
    """Fits that leave the list, and others that come; those made meanwhile stay.

    Parameters
    ----------
    put : callable
        ``put(gone, come)`` changes the list.
    """

    def __init__(
        self, put: Callable[[list, list], None], words: str, gone: list[dict], come: list[dict]
    ):
        super().__init__(words)
        self._put, self._gone, self._come = put, gone, come

    def redo(self) -> None:
        self._put(self._gone, self._come)

    def undo(self) -> None:
        self._put(self._come, self._gone)


class Edit(QUndoCommand):
    """One entry, before and after; it was made before this is pushed."""

    def __init__(
        self, put: Callable[[str, Any], None], key: str, before: Any, after: Any, gesture: object
    ):
        super().__init__(f"change {key}" if key else "open a session")
        self._put, self._key, self._gesture = put, key, gesture
        self._before, self._after = copy.deepcopy((before, after))
        self._done = False

    def redo(self) -> None:
        if self._done:
            self._put(self._key, self._after)
        self._done = True

    def undo(self) -> None:
        self._put(self._key, self._before)

    def id(self) -> int:
        return hash(self._key) % 2**31

    def mergeWith(self, other: Edit) -> bool:
        if other._key != self._key or self._gesture is None or other._gesture != self._gesture:
            return False
        self._after = other._after
        return True
