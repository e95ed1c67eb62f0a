"""What ends the program early: one exception per exit code."""

from __future__ import annotations


class ProgramError(Exception):
    """A failure the user can do something about.

    Parameters
    ----------
    message : str
        Where and what.
    fix : str
        How to fix it.
    """

    exit_code = 1

    def __init__(self, message: str, fix: str = ""):
        super().__init__(message)
        self.fix = fix


class ConfigurationError(ProgramError):
    """The command line or the YAML file."""


class DataError(ProgramError):
    """The data file or its values."""

    exit_code = 2


class ModelError(ProgramError):
    """The model file or what its function does."""

    exit_code = 3


class NotConverged(ProgramError):
    """The fit stopped before it converged."""

    exit_code = 4


def did_you_mean(word: str, known, otherwise: str = "") -> str:
    """``; did you mean 'x'?`` for the closest known word, else `otherwise`."""
    from difflib import get_close_matches

    close = get_close_matches(str(word), [str(k) for k in known], n=1)
    return f"; did you mean {close[0]!r}?" if close else otherwise
