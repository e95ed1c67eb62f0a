"""What is kept of a session: plain data, with a version, as JSON."""

from __future__ import annotations

import copy
import dataclasses
import json
from typing import Any

VERSION = 1
PAGES = ("data", "model", "fitting", "results", "export")
THEMES = ("system", "light", "dark")


@dataclasses.dataclass
class SessionState:
    """A session as plain data.

    Attributes
    ----------
    content : dict
        The sections of a configuration file (`nlsq.session.settings`): data, model, fitting, ...
    page : str
        One of `PAGES`.
    theme : str
        One of `THEMES`.
    """

    content: dict[str, Any] = dataclasses.field(default_factory=dict)
    page: str = PAGES[0]
    theme: str = THEMES[0]

    def get(self, key: str, default: Any = None) -> Any:
        """The entry at "data.columns.x"."""
        inside: Any = self.content
        for part in key.split("."):
            if not isinstance(inside, dict) or part not in inside:
                return default
            inside = inside[part]
        return inside

    def put(self, key: str, value: Any) -> None:
        """Set an entry; None removes it, and sections that are empty then."""
        *sections, last = key.split(".")
        inside, chain = self.content, []
        for section in sections:
            chain.append((inside, section))
            inside = inside.setdefault(section, {})
        if value is None:
            inside.pop(last, None)
            for outer, section in reversed(chain):
                if outer[section] == {}:
                    del outer[section]
        else:
            inside[last] = copy.deepcopy(value)

    def to_json(self) -> str:
        """As a text that `from_json` reads."""
        return json.dumps({"nlsq session": VERSION} | dataclasses.asdict(self), indent=1)

    @classmethod
    def from_json(cls, text: str) -> SessionState:
        """The session of a text.

        Raises
        ------
        ValueError
            It is no session, or one of a later version.
        """
        try:
            found = json.loads(text)
            version = found.pop("nlsq session")
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            raise ValueError("This file is no session of nlsq.") from None
        if version != VERSION:
            raise ValueError(
                f"This session is of version {version}, and this program reads version {VERSION}: "
                "open it with the nlsq that wrote it, or a later one."
            )
        state = cls(**{k: v for k, v in found.items() if k in cls.__dataclass_fields__})
        if not isinstance(state.content, dict) or state.page not in PAGES:
            raise ValueError("This session is damaged: it has no sections, or an unknown page.")
        if state.theme not in THEMES:
            state.theme = THEMES[0]
        return state
