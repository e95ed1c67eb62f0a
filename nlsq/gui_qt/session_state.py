"""What is kept of a session: plain data, with a version, as JSON."""

from __future__ import annotations

import copy
import dataclasses
import json
from typing import Any

from pydantic import ValidationError

from nlsq.session.remembering import damage
from nlsq.session.settings import Settings

VERSION = 2
_READ = (1, VERSION)
PAGES = ("data", "model", "fitting", "results", "export")
THEMES = ("system", "light", "dark")
DRAWN = {
    "confidence": ("&Confidence band", "At each x it holds the true curve this often."),
    "prediction": ("Pre&diction band", "At each x it holds a new point this often."),
    "standardised": ("Residual&s / σ", "Over the errors of y; s scales those that are relative."),
}
_OF_VALUES = ("missing", "value_error", "extra_forbidden", "greater_than", "greater_than_equal")
_NUMBERS = (("fitting", "p0"), ("fitting", "bounds"), ("fitting", "fixed"))  # never typed as text


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
    level : float
        Confidence level of intervals and bands.
    draws : list of str
        What of `DRAWN` is drawn.
    fits : list of dict
        The fits that were made, the latest last (`nlsq.session.remembering`).
    """

    content: dict[str, Any] = dataclasses.field(default_factory=dict)
    page: str = PAGES[0]
    theme: str = THEMES[0]
    level: float = 0.95
    draws: list[str] = dataclasses.field(default_factory=lambda: ["confidence", "standardised"])
    fits: list[dict[str, Any]] = dataclasses.field(default_factory=list)

    def get(self, key: str, default: Any = None) -> Any:
        """The entry at "data.columns.x"; at "" the whole content."""
        inside: Any = self.content
        for part in key.split(".") if key else ():
            if not isinstance(inside, dict) or part not in inside:
                return default
            inside = inside[part]
        return inside

    def put(self, key: str, value: Any) -> None:
        """Set an entry, "" is all; None removes it, and sections that are empty then."""
        if not key:
            self.content = copy.deepcopy(value or {})
            return
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
        head = {"nlsq session": VERSION} | {k: v for k, v in vars(self).items() if k != "fits"}
        fits = ",\n  ".join(map(json.dumps, self.fits))  # a line each: they are long
        return json.dumps(head, indent=1).removesuffix("\n}") + f',\n "fits": [{fits}]\n}}'

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
        if version not in _READ:
            raise ValueError(
                f"This session is of version {version}, and this program reads version {VERSION}: "
                "open it with the nlsq that wrote it, or a later one."
            )
        state = cls(**{k: v for k, v in found.items() if k in cls.__dataclass_fields__})
        wrong = _damage(state.content) or (damage(state.fits) if state.fits != [] else "")
        wrong = wrong or next(filter(None, (_damage(fit["content"]) for fit in state.fits)), "")
        if wrong or state.page not in PAGES:
            raise ValueError(
                f"This session is damaged: {wrong or 'its page'} is not what it can be."
            )
        if state.theme not in THEMES:
            state.theme = THEMES[0]
        if not (isinstance(state.level, float) and 0 < state.level < 1):
            state.level = cls.level
        draws = state.draws if isinstance(state.draws, list) else ()
        state.draws = [name for name in DRAWN if name in draws]
        return state


def _damage(content: Any) -> str:
    """The entry that has another form than any window gives it; "" where there is none.

    A value of the right form that a fit would refuse may stand there: it was typed.
    """
    if not isinstance(content, dict) or not all(isinstance(v, dict) for v in content.values()):
        return "its content"
    try:
        Settings.model_validate(content)
    except ValidationError as error:
        for problem in error.errors(include_url=False):
            typed = problem["type"] in _OF_VALUES or isinstance(problem["input"], str)
            if not typed or problem["loc"][:2] in _NUMBERS:
                return ".".join(map(str, problem["loc"][:2]))
    return ""
