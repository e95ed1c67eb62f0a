"""A search by CMA-ES that survives being killed: its state in a file, from which it goes on.

The file is two lines of ASCII: the XXH3-128 checksum of the second one, and JSON by
`nlsq.utils.safe_serialize`, which keeps every bit and is nothing that could run. A save renames
the present file to ``.bak`` and writes a new one whole, so that one of them always is.
"""

from __future__ import annotations

import glob
import os
import warnings
from pathlib import Path
from typing import Any

import xxhash

from nlsq.utils.atomic import write_atomically
from nlsq.utils.safe_serialize import SafeSerializationError, safe_dumps, safe_loads


class CheckpointFingerprintMismatch(ValueError):
    """The checkpoint is of another search than the one that is to go on; says what differs."""


class CMAESPreempted(SystemExit):
    """A search got SIGTERM and ends the program; the same call goes on from its checkpoint.

    Attributes
    ----------
    generation : int
        Generations that were made.
    """

    def __init__(self, generation: int, kept: bool = True):
        then = "The same call goes on from its checkpoint." if kept else "No checkpoint was due."
        super().__init__(f"CMA-ES was told to end after {generation} generations. {then}")
        self.generation = generation


class SearchCheckpointWarning(UserWarning):
    """A checkpoint could not be written, or a damaged one was passed over; the search goes on."""


class HPCCheckpointManager:
    """Keeps the state of one search in a file, and the one before beside it.

    Examples
    --------
    >>> from pathlib import Path
    >>> path = Path("search.checkpoint")
    >>> HPCCheckpointManager.save(path, {"generation": 3}, {"bounds": "5e1f"})
    >>> HPCCheckpointManager.load(path, {"bounds": "5e1f"})
    {'generation': 3}
    >>> HPCCheckpointManager.load(path, {"bounds": "77a0"})
    Traceback (most recent call last):
        ...
    nlsq.global_optimization.checkpoint.CheckpointFingerprintMismatch: search.checkpoint is ...
    >>> HPCCheckpointManager.remove(path)
    """

    VERSION = "1"

    @staticmethod
    def bak_path(path: str | os.PathLike) -> Path:
        """Where the checkpoint before the present one lies."""
        path = Path(path)
        return path.with_name(path.name + ".bak")

    @classmethod
    def save(cls, path: str | os.PathLike, state: dict[str, Any], fingerprint: dict) -> None:
        """Write a state, whole or not at all, and keep the one before.

        Parameters
        ----------
        path : path
            Its folder is made if it is missing.
        state : dict
            Whatever `safe_dumps` takes.
        fingerprint : dict
            What the search is a search of, part by part.

        Raises
        ------
        OSError
            If it cannot be written; what was there stays, perhaps as ``.bak``.
        """
        path = Path(path)
        body = safe_dumps({"version": cls.VERSION, "fingerprint": fingerprint, "state": state})
        content = f"{xxhash.xxh3_128_hexdigest(body.encode())}\n{body}\n"
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists():
            os.replace(path, cls.bak_path(path))
        write_atomically(path, content)

    @classmethod
    def load(cls, path: str | os.PathLike, expected_fingerprint: dict) -> dict[str, Any] | None:
        """The state to go on from, or None if there is no checkpoint.

        A damaged file is passed over for the one before, with a SearchCheckpointWarning. One that
        is missing is no damage: a save was stopped between its two steps.

        Raises
        ------
        CheckpointFingerprintMismatch
            If it is of another search. Nothing is changed or deleted.
        ValueError
            If there are files, and none can be used.
        """
        found: dict[str, Any] | None = None
        damages = []
        for file in (Path(path), cls.bak_path(path)):
            try:
                found = _read(file, cls.VERSION)
                break
            except FileNotFoundError:
                continue
            except (OSError, SafeSerializationError, _Damaged) as error:
                damages.append(f"{file} cannot be used: {error}")
        if found is None and damages:
            raise ValueError(
                f"{'; '.join(damages)}. Delete it, or give another checkpoint_dir or run_id, to "
                "begin anew."
            )
        if found is None:
            return None
        _require(Path(path), found["fingerprint"], expected_fingerprint)
        if damages:
            message = f"{damages[0]}. The search goes on from the checkpoint before it."
            warnings.warn(message, SearchCheckpointWarning, stacklevel=2)
        return found["state"]

    @classmethod
    def remove(cls, path: str | os.PathLike) -> None:
        """Delete the checkpoints of a search that is finished."""
        path = Path(path)
        halves = path.parent.glob(f".{glob.escape(path.name)}.*.tmp")  # of writers that were killed
        for file in (path, cls.bak_path(path), *halves):
            file.unlink(missing_ok=True)


class _Damaged(ValueError):
    pass


def _read(path: Path, version: str) -> dict[str, Any]:
    checksum, _, body = path.read_text(encoding="ascii", errors="replace").partition("\n")
    if xxhash.xxh3_128_hexdigest(body.rstrip("\n").encode()) != checksum:
        raise _Damaged("its checksum differs from that of its content")
    content = safe_loads(body)
    if content["version"] != version:
        raise _Damaged(
            f"it has version {content['version']} of the format, this nlsq reads {version}"
        )
    return content


def _require(path: Path, mine: dict, expected: dict) -> None:
    differ = [part for part in {**mine, **expected} if mine.get(part) != expected.get(part)]
    if differ:
        raise CheckpointFingerprintMismatch(
            f"{path} is a checkpoint of another search: other {', '.join(differ)}. To begin anew "
            "delete it, or give another checkpoint_dir or run_id to keep both."
        )
