"""Sessions and configuration files on disk; a file of `nlsq config` opens in the window."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from nlsq.gui_qt.session_state import SessionState
from nlsq.session.configuration import SUFFIXES, Configuration, move_files
from nlsq.session.errors import ConfigurationError
from nlsq.session.model import load_model
from nlsq.session.plan import read
from nlsq.session.provenance import x_names
from nlsq.session.settings import Bounds, Settings
from nlsq.utils.atomic import write_atomically
from nlsq.utils.input_error import InputError

SUFFIX = ".nlsq"


def is_session(path: str | Path) -> bool:
    """Whether a file is a session or a configuration by its name, and not data."""
    return Path(path).suffix.lower() in (SUFFIX, *SUFFIXES)


def read_session(path: Path) -> SessionState:
    """The session of a file, or one with the settings of a configuration file.

    Data and model file are looked for where the session says, then beside it: it may come from
    another machine. A file cannot say that its model is trusted.

    Raises
    ------
    InputError
    """
    if path.suffix.lower() in SUFFIXES:
        return SessionState(load_yaml_config(path))
    try:
        state = SessionState.from_json(path.read_text("utf-8"))
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be read: {error.strerror or error}.") from None
    except ValueError as error:
        raise ConfigurationError(f"{path}: {error}") from None
    _move_all(state, lambda given: _found(given, path.absolute().parent))
    return state


def write_session(path: Path, state: SessionState, own: Path | None = None) -> None:
    """Write a session; data in its folder are named relative to it, so that both can move.

    What lies in `own`, the folder of the window's own files (`kept`), is copied beside it.

    Raises
    ------
    OSError
    """
    here = SessionState.from_json(state.to_json())
    folder = path.absolute().parent

    def placed(given: str) -> str:
        if own is not None and Path(given).parent == own and os.path.exists(given):
            write_atomically(folder / Path(given).name, Path(given).read_bytes())
            return Path(given).name
        return _relative(given, folder)

    _move_all(here, placed)
    write_atomically(path, here.to_json())


def load_yaml_config(path: Path) -> dict[str, Any]:
    """The sections of a configuration file, YAML or TOML, as the window keeps them.

    What a file may say by order (starts, bounds) is said by name, where the model's names are
    known without running a file.

    Raises
    ------
    InputError
    """
    settings = Configuration.read(path).settings()
    content = settings.model_dump(mode="json", exclude_defaults=True)
    ordered = isinstance(settings.fitting.p0, list) or isinstance(settings.fitting.bounds, Bounds)
    if settings.model.path is None and ordered:
        _by_name(content, settings, load_model(settings.model, _x_names(settings)).names)
    if settings.fitting.p0 == "auto":
        del content["fitting"]["p0"]  # which is what the window does where nothing is given
    return content


def _x_names(settings: Settings) -> list[str]:
    try:
        return x_names(settings, read(settings))
    except InputError:  # of the data, which the window says on their page
        return x_names(settings, None)


def export_yaml_config(settings: Settings) -> str:
    """The settings as a file that ``nlsq fit FILE.yaml`` fits, wherever it lies."""
    import yaml

    content = settings.model_dump(mode="json", exclude_defaults=True)
    content["model"].pop("trusted", None)  # which is for the command line to say
    move_files(content, os.path.abspath)
    return yaml.safe_dump(content, sort_keys=False, allow_unicode=True)


def _by_name(content: dict[str, Any], settings: Settings, names: tuple[str, ...]) -> None:
    fitting, given = settings.fitting, content.get("fitting", {})
    sides = (None, None)
    if isinstance(fitting.bounds, Bounds):
        sides = (fitting.bounds.lower, fitting.bounds.upper)
    for key, values in (("p0", fitting.p0), ("bounds.lower", sides[0]), ("bounds.upper", sides[1])):
        if isinstance(values, list) and len(values) != len(names):
            raise ConfigurationError(
                f"fitting.{key} has {len(values)} numbers, but the model has {len(names)} "
                f"parameters: {', '.join(names)}."
            )
    if isinstance(fitting.p0, list):
        given["p0"] = dict(zip(names, fitting.p0, strict=True))
    if isinstance(fitting.bounds, Bounds):
        lower, upper = (side or [None] * len(names) for side in sides)
        pairs = zip(names, lower, upper, strict=True)
        given["bounds"] = {name: [low, high] for name, low, high in pairs}


def _move_all(state: SessionState, to: Callable[[str], str]) -> None:
    for content in (state.content, *(fit["content"] for fit in state.fits)):
        content.get("model", {}).pop("trusted", None)
        move_files(content, to)


def _relative(given: str, folder: Path) -> str:
    path = Path(given)
    inside = path.is_absolute() and path.is_relative_to(folder)
    return path.relative_to(folder).as_posix() if inside else os.path.abspath(path)


def _found(given: str, folder: Path) -> str:
    said = folder / given
    beside = folder / re.split(r"[\\/]", given)[-1]
    return str(beside if not os.path.exists(said) and os.path.exists(beside) else said)
