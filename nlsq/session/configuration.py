"""Configuration files and options on their way to `Settings`: what is said, and where.

A file (YAML or TOML) and the command line fill one tree; what the command line says replaces what
the file says. Every entry remembers its place, "run.yaml:5" or "--p0", for the messages.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from nlsq.session.errors import ConfigurationError
from nlsq.session.settings import SECTIONS, Settings
from nlsq.utils.input_error import did_you_mean

if TYPE_CHECKING:
    import yaml

SUFFIXES = (".yaml", ".yml", ".toml")
WINDOW = "the window"  # where its settings are said


class Configuration:
    """A tree of settings with the place of every entry.

    Parameters
    ----------
    content : dict
    places : dict
        (key, key, ...) -> where it was said. Default: all of the content at the origin.
    origin : str
        What to name when an entry is missing.
    """

    def __init__(self, content: dict | None = None, places: dict | None = None, origin: str = ""):
        self.content = content if content is not None else {}
        self.origin = origin or "the command line"
        self.places = _everywhere(self.content, self.origin) if places is None else places

    @classmethod
    def read(cls, path: Path) -> Configuration:
        """Read a file; input paths in it are relative to its folder and come back whole.

        Raises
        ------
        ConfigurationError
            A file that cannot be read, or is no YAML or TOML.
        """
        try:
            text = path.read_text(encoding="utf-8-sig")
        except UnicodeDecodeError as error:
            line = error.object.count(b"\n", 0, error.start) + 1
            raise ConfigurationError(
                f"{path}:{line}: a byte that is not UTF-8.", "Save the file as UTF-8."
            ) from None
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            raise ConfigurationError(f"{path}: cannot be read: {reason}.") from None
        toml = path.suffix.lower() == ".toml"
        content, lines = _toml(text, path) if toml else _yaml(text, path)
        if not isinstance(content, dict):
            known = ", ".join(Settings.model_fields)
            raise ConfigurationError(f"{path}: no sections found.", f"Sections are {known}.")
        places = {at: f"{path}:{line}" for at, line in lines.items()}
        if isinstance(content.get("model"), dict) and "trusted" in content["model"]:
            raise ConfigurationError(
                f"{places['model', 'trusted']}: a file cannot say that its model is trusted.",
                "Look at the model, then say --trust on the command line.",
            )
        found = cls(content, places, str(path))
        folder = path.resolve().parent
        move_files(content, lambda given: str(folder / given))
        return found

    def set(self, key: str, value: Any, place: str) -> None:
        """Replace an entry, such as "data.columns.x"."""
        *sections, last = path = tuple(key.split("."))
        inside = self.content
        for section in sections:
            if not isinstance(inside.get(section), dict):
                inside[section] = {}
            inside = inside[section]
        inside[last] = value
        for k in range(1, len(path)):
            self.places.setdefault(
                path[:k], place if k > 1 else self.origin
            )  # a section is no one's
        self.places = {at: p for at, p in self.places.items() if at[: len(path)] != path}
        self.places[path] = place

    def assign(self, text: str) -> None:
        """What ``--set KEY=VALUE`` says; the value is written as in YAML."""
        import yaml  # here and below: most fits are asked for by options alone

        key, equals, value = text.partition("=")
        if not equals:
            raise ConfigurationError(
                f"--set {text}: expected KEY=VALUE.", "For example --set fitting.loss=huber"
            )
        try:
            self.set(key.strip(), yaml.safe_load(value), f"--set {key.strip()}")
        except (yaml.YAMLError, ValueError, RecursionError):  # also a date that is none
            raise ConfigurationError(
                f"--set {text}: {value[:40]!r} is not a value.", "Write it as in YAML."
            ) from None

    def settings(self) -> Settings:
        """The settings, checked.

        Raises
        ------
        ConfigurationError
            A sentence per entry that is wrong, with its place.
        """
        try:
            settings = Settings.model_validate(self.content)
        except ValidationError as error:
            raise ConfigurationError("\n".join(self._explain(error))) from None
        settings.places.update({_dotted(at): place for at, place in self.places.items()})
        return settings

    def _explain(self, error: ValidationError) -> list[str]:
        """One sentence per wrong key; pydantic reports each branch of a union, one is enough."""
        said: dict[tuple, str] = {}
        for problem in error.errors(include_url=False):
            inside: tuple = ()
            for part in problem["loc"]:  # without the names of branches of a union
                inside = (*inside, part) if (*inside, part) in self.places else inside
            missing = problem["type"] == "missing"
            where = (*inside, problem["loc"][-1]) if missing else inside
            if any(where == known[: len(where)] for known in said):
                continue
            place = self.places.get(inside, self.origin)
            key = f"{_dotted(where)}: " if where else ""
            said[where] = f"{place}: {key}{_sentence(problem, where)}"
        return list(said.values())


def move_files(content: dict[str, Any], to: Callable[[str], str]) -> None:
    """Put other paths, ``to(path)``, in the place of those of data and model."""
    for section, key in (("data", "input_file"), ("model", "path")):
        inside = content.get(section)
        given = inside.get(key) if isinstance(inside, dict) else None
        if isinstance(given, str) and given != "-":
            inside[key] = to(given)


def _everywhere(content: Any, place: str, at: tuple = ()) -> dict[tuple, str]:
    """That place for each entry."""
    inside = content.items() if isinstance(content, dict) else ()
    if isinstance(content, list):
        inside = enumerate(content)
    found = {at: place} if at else {}
    for key, value in inside:
        found |= _everywhere(value, place, (*at, key))
    return found


def _yaml(text: str, path: Path) -> tuple[Any, dict[tuple, int]]:
    import yaml

    try:
        for event in yaml.parse(text, Loader=yaml.SafeLoader):
            if isinstance(event, yaml.AliasEvent):
                line = event.start_mark.line + 1
                raise ConfigurationError(
                    f"{path}:{line}: *{event.anchor} refers to another place; say it again here."
                )
        tree = yaml.compose(text, Loader=yaml.SafeLoader)
        return yaml.safe_load(text), _yaml_lines(tree, path)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{path}:{mark.line + 1}" if mark else f"{path}"
        problem = getattr(error, "problem", None) or error
        raise ConfigurationError(f"{where}: not valid YAML: {problem}.") from None
    except ConfigurationError:
        raise
    except (ValueError, RecursionError) as error:  # a date that is none, too many digits or levels
        raise ConfigurationError(f"{path}: a value that is none: {error}.") from None


def _yaml_lines(tree: yaml.Node | None, path: Path) -> dict[tuple, int]:
    """Line number of every key and list element, by its path in the document."""
    import yaml

    found: dict[tuple, int] = {}

    def walk(node: yaml.Node | None, at: tuple) -> None:
        if isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                here, line = (*at, key.value), key.start_mark.line + 1
                if here in found:
                    raise ConfigurationError(
                        f"{path}:{line}: {_dotted(here)} is given twice, first in line "
                        f"{found[here]}.",
                        "Keep one of them.",
                    )
                found[here] = line
                walk(value, here)
        elif isinstance(node, yaml.SequenceNode):
            for i, value in enumerate(node.value):
                found[*at, i] = value.start_mark.line + 1
                walk(value, (*at, i))

    walk(tree, ())
    return found


def _toml(text: str, path: Path) -> tuple[dict, dict[tuple, int]]:
    import tomllib

    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        line = re.search(r"line (\d+)", str(error))
        where = f"{path}:{line[1]}" if line else f"{path}"
        raise ConfigurationError(f"{where}: not valid TOML: {error}.") from None
    except (ValueError, RecursionError) as error:  # too many digits or levels
        raise ConfigurationError(f"{path}: a value that is none: {error}.") from None
    lines: dict[tuple, int] = {}
    table: tuple[str, ...] = ()
    for number, line in enumerate(text.splitlines(), 1):
        if head := re.match(r"\s*\[\s*([^\[\]]+?)\s*\]", line):
            table = tuple(_toml_keys(head[1]))
            lines.setdefault(table, number)
        elif entry := re.match(r"""\s*([\w."' -]+?)\s*=""", line):
            keys = _toml_keys(entry[1])
            for k in range(len(keys)):
                lines.setdefault((*table, *keys[: k + 1]), number)
    return content, lines


def _toml_keys(text: str) -> list[str]:
    return [key.strip().strip("\"'") for key in text.split(".")]


def _sentence(problem: Any, where: tuple) -> str:
    if problem["type"] == "extra_forbidden":
        section = SECTIONS.get(where[:-1])
        known = section.model_fields if section else ()
        listed = f"; known are {', '.join(known)}."
        return f"unknown key{did_you_mean(where[-1], known, listed)}"
    if problem["type"] == "missing":
        return "is required and missing."
    message = problem["msg"].removeprefix("Value error, ")
    message = message[0].lower() + message[1:]
    if problem["type"] == "value_error":
        return f"{message}."
    return f"{message}; got {problem['input']!r}."


def _dotted(where: tuple) -> str:
    text = ""
    for part in where:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def settings_of(sections: dict[str, Any]) -> Settings:
    """The settings of a few sections of a window, checked; data or model it lacks are any.

    Raises
    ------
    ConfigurationError
    """
    whole = {"data": {"input_file": "-"}, "model": {"formula": "0"}} | sections
    return Configuration(copy.deepcopy(whole), origin=WINDOW).settings()
