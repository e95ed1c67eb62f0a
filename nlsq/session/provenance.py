"""Where a fit's data came from, how it was asked for, and on what it ran."""

from __future__ import annotations

import datetime
import platform
from pathlib import Path
from typing import Any

import numpy as np

import nlsq
from nlsq.session.points import Points
from nlsq.session.settings import Settings

CODE = "SHA-256 of the model's file"


def x_names(settings: Settings, points: Points | None) -> list[str]:
    """What the columns of x are called."""
    if points is not None:
        return points.x_names
    x = settings.data.columns.x
    return [str(name) for name in (x if isinstance(x, list) else [x])]


def provenance(settings: Settings, points: Points | None, command: str | None) -> dict[str, Any]:
    """Where the data came from, how the fit was asked for and on what it ran."""
    from importlib.metadata import version

    names = settings.metadata
    title = (
        names.workflow_name or f"{settings.model.text} fitted to {settings.data.input_file.name}"
    )
    known = points is not None and not settings.data.from_stdin
    digest = sha256(settings.data.input_file) if known else None
    code = settings.model.path and sha256(settings.model.path)
    data = {"file": str(settings.data.input_file), "sha256": digest}
    return {
        "data": {k: v for k, v in data.items() if v is not None},
        "provenance": {
            "title": title + (f" ({names.dataset_id})" if names.dataset_id else ""),
            "model": settings.model.text,
            **({} if code is None else {CODE: code}),
            **({} if command is None else {"command": command}),
            "columns of x": x_names(settings, points),
            "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            "config": settings.model_dump(mode="json", exclude_defaults=True),
            "versions": {
                "nlsq": nlsq.__version__, "Python": platform.python_version(),
                "JAX": version("jax"), "NumPy": np.__version__, "SciPy": version("scipy"),
            },
        },
    }  # fmt: skip


def sha256(path: Path) -> str | None:
    """The digest of a file's content; None where there is no file."""
    import hashlib

    if not path.is_file():
        return None
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def agreement(result: Any, certified: Any) -> dict[str, Any]:
    """How many digits of the certified values the fit has."""
    from nlsq.utils.digits import correct_digits

    found = {
        "values": certified.values,
        "value_digits": np.asarray(correct_digits(result.popt, certified.values)).tolist(),
    }
    if certified.stderr is not None:
        found["stderr"] = certified.stderr
        found["stderr_digits"] = np.asarray(correct_digits(result.perr, certified.stderr)).tolist()
    return found
