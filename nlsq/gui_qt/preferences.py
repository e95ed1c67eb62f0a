"""What the window remembers from one start to the next, in a JSON file of the user's."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from PySide6.QtCore import QStandardPaths

from nlsq.utils.atomic import write_atomically

MOST_RECENT = 10


class Preferences:
    """Entries by name. A file that is missing or damaged is an empty one: no start fails for it.

    Parameters
    ----------
    path : str or Path, optional
        Default: window.json in the user's folder for configurations.
    """

    def __init__(self, path: str | Path | None = None):
        place = QStandardPaths.StandardLocation.GenericConfigLocation
        folder = Path(QStandardPaths.writableLocation(place)) / "nlsq"
        self._path = folder / "window.json" if path is None else Path(path)

    def get(self, key: str, default: Any) -> Any:
        """An entry; the default where there is none of the default's type."""
        value = self._read().get(key, default)
        return value if isinstance(value, type(default)) else default

    def put(self, key: str, value: Any) -> None:
        """Keep an entry; those of other windows stay. Where nothing can be written, nothing is."""
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(self._path, json.dumps(self._read() | {key: value}, indent=1))
        except OSError:
            pass  # a convenience: no work is lost with it

    def recent(self, kind: str) -> list[str]:
        """The files of a kind that were opened last, the newest first."""
        return [path for path in self.get(f"recent {kind}", []) if isinstance(path, str)]

    def remember(self, kind: str, path: str) -> None:
        """Put a file before the others of its kind."""
        others = [other for other in self.recent(kind) if other != path]
        self.put(f"recent {kind}", [path, *others][:MOST_RECENT])

    def forget(self, kind: str, path: str) -> None:
        """Take a file out of those of its kind."""
        self.put(f"recent {kind}", [other for other in self.recent(kind) if other != path])

    def _read(self) -> dict[str, Any]:
        try:
            found = json.loads(self._path.read_text("utf-8"))
        except (OSError, ValueError, RecursionError):
            return {}
        return found if isinstance(found, dict) else {}
