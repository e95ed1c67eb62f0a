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
