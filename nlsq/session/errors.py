"""What ends a fit early, by what the user can do about it."""

from __future__ import annotations

from nlsq.utils.input_error import InputError


class ProgramError(InputError):
    """A failure the user can do something about; `fix` says what."""


class ConfigurationError(ProgramError):
    """The command line or the configuration file.

    Attributes
    ----------
    position, what
        Where in the text of a formula it is wrong, from 1, and what is wrong there.
    """

    position: int | None = None
    what: str | None = None


class DataError(ProgramError):
    """The data file or its values, or a file that cannot be written."""


class ModelError(ProgramError):
    """The model: its formula, its file, or what its function does."""


class NoModel(ModelError):
    """There is no model to fit: a wrong formula or name, or a file that is refused."""


class LimitReached(ModelError):
    """A confined fit took more memory or time than it may."""


class LostProcess(ProgramError):
    """One of the processes that make a fit together is not there any more."""


BY_NAME = {
    kind.__name__: kind
    for kind in (ConfigurationError, DataError, ModelError, NoModel, LimitReached, LostProcess)
}
