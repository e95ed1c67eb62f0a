"""A record of which model files programs were asked to load, and what they wrote: JSON lines."""

from __future__ import annotations

import contextlib
import datetime
import getpass
import hashlib
import json
import os
import stat
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nlsq.utils.logging import get_logger

if TYPE_CHECKING:
    from nlsq.security.model_validation import ModelValidationResult

_GENERATIONS = 5  # full files kept: audit.log.1 is the latest


class AuditLogger:
    """Writes one line of JSON for each event; never stands in the way of a fit.

    Parameters
    ----------
    log_file : str or path, optional
        The file; ``audit.log`` in the user's state folder by default.
    max_size_bytes : int
        A file that would grow beyond it is put aside as ``.1``, the former ``.1`` as ``.2`` and so
        on to ``.5``.
    retention_days : float
        Lines older than this are dropped when a logger writes its first line.

    Raises
    ------
    ValueError
        If a number is not positive.

    Notes
    -----
    When the file cannot be written, the logger ``nlsq.security`` is warned once, and events are
    lost. For programs: calls of the library are not recorded.

    Examples
    --------
    >>> log = AuditLogger("audit.log")
    >>> log.log_export("fit.json", "result")
    >>> [event["event"] for event in log.events()]
    ['export']
    """

    def __init__(
        self,
        log_file: str | os.PathLike | None = None,
        max_size_bytes: int = 10_485_760,
        retention_days: float = 90,
    ):
        if not max_size_bytes > 0 or not retention_days > 0:
            raise ValueError("max_size_bytes and retention_days must be positive")
        self.log_file = Path(log_file) if log_file is not None else _default_file()
        self.max_size_bytes, self.retention_days = max_size_bytes, retention_days
        self._lock = threading.Lock()
        self._warned = self._pruned = False

    def log_load_attempt(
        self,
        path: str | os.PathLike,
        result: ModelValidationResult | None,
        user: str | None = None,
    ) -> None:
        """Record that a model file was to be loaded.

        Parameters
        ----------
        path : str or path
            The file.
        result : ModelValidationResult or None
            What `validate_model` found; None when it was not asked, as for a missing file.
        user : str, optional
            Who asked; the user's login name by default.
        """
        event: dict[str, Any] = {"user": user, "sha256": result.signature if result else ""}
        if result is not None:
            event |= {
                "valid": result.is_valid,
                "trusted": result.is_trusted,
                "violations": [str(v) for v in result.violations[:20]],
            }
        self._write("load", path, event)

    def log_export(self, path: str | os.PathLike, kind: str) -> None:
        """Record that a file was written.

        Parameters
        ----------
        path : str or path
            The file; its SHA-256 is recorded as well when it can be read.
        kind : str
            What it holds, for example 'result' or 'plot'.
        """
        self._write("export", path, {"kind": kind, "sha256": _digest(path)})

    def events(self) -> list[dict[str, Any]]:
        """What is recorded in the present file, oldest first; damaged lines are left out."""
        found = []
        with contextlib.suppress(OSError):
            for line in self.log_file.read_text(encoding="utf-8", errors="replace").splitlines():
                with contextlib.suppress(ValueError):
                    event = json.loads(line)
                    if isinstance(event, dict):
                        found.append(event)
        return found

    def _write(self, kind: str, path: str | os.PathLike, event: dict[str, Any]) -> None:
        now = datetime.datetime.now(datetime.UTC)
        where = os.path.abspath(os.fspath(path))
        user = event.pop("user", None) or _user()
        record = {"time": now.isoformat(), "event": kind, "path": where, "user": user} | event
        line = json.dumps(record) + "\n"
        with self._lock:
            try:
                self.log_file.parent.mkdir(parents=True, exist_ok=True)
                if not self._pruned:
                    self._pruned = True
                    self._prune(now)
                self._rotate(len(line))
                # One write call: lines of several processes do not mix.
                flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0)
                descriptor = os.open(self.log_file, flags, stat.S_IRUSR | stat.S_IWUSR)
                try:
                    os.write(descriptor, line.encode("ascii"))
                finally:
                    os.close(descriptor)
            except OSError as error:
                if not self._warned:
                    self._warned = True
                    get_logger("security").warning("no audit log: %s", error)

    def _rotate(self, coming: int) -> None:
        if (
            not self.log_file.exists()
            or self.log_file.stat().st_size + coming <= self.max_size_bytes
        ):
            return
        for number in range(_GENERATIONS - 1, 0, -1):
            older = self._generation(number)
            if older.exists():
                os.replace(older, self._generation(number + 1))
        os.replace(self.log_file, self._generation(1))

    def _generation(self, number: int) -> Path:
        return self.log_file.with_name(f"{self.log_file.name}.{number}")

    def _prune(self, now: datetime.datetime) -> None:
        oldest = (now - datetime.timedelta(days=self.retention_days)).isoformat()
        for file in (self.log_file, *map(self._generation, range(1, _GENERATIONS + 1))):
            if not file.is_file():
                continue
            lines = file.read_text(encoding="utf-8", errors="replace").splitlines(keepends=True)
            kept = [line for line in lines if _time(line) >= oldest]
            if len(kept) == len(lines):
                continue
            if not kept:
                file.unlink()
                continue
            new = file.with_name(f"{file.name}.new")
            new.write_text("".join(kept), encoding="utf-8")
            os.replace(new, file)


_HEAD = '{"time": "'


def _time(line: str) -> str:
    """The time of a line, which sorts as text; "" (older than all) for a damaged one."""
    if line.startswith(_HEAD) and line.endswith("}\n"):  # as we write it: tens of thousands a file
        return line[len(_HEAD) :].partition('"')[0]
    try:
        event = json.loads(line)
        return str(event["time"])
    except (ValueError, LookupError, TypeError):
        return ""


def _default_file() -> Path:
    import platformdirs

    return Path(platformdirs.user_state_dir("nlsq")) / "audit.log"


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):  # no name for this number, as in containers
        return ""


def _digest(path: str | os.PathLike) -> str:
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return ""
