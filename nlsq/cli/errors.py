"""What ends the program early: one exception per exit code."""

from __future__ import annotations

from nlsq.utils.input_error import InputError


class ProgramError(InputError):
    """A failure the user can do something about; `fix` says what."""

    exit_code = 1


class ConfigurationError(ProgramError):
    """The command line or the configuration file."""


class DataError(ProgramError):
    """The data file or its values, or a file that cannot be written."""

    exit_code = 2


class ModelError(ProgramError):
    """The model: its formula, its file, or what its function does."""

    exit_code = 3


class NoModel(ModelError):
    """There is no model to fit: a wrong formula or name, or a file that is refused."""


class LimitReached(ModelError):
    """A confined fit took more memory or time than it may."""


class NotConverged(ProgramError):
    """The fit stopped before it converged."""

    exit_code = 4


class Undetermined(ProgramError):
    """With ``--strict``: parameters the data do not determine, or on their bounds."""

    exit_code = 5


class Terminated(ProgramError):
    """SIGTERM: what there was is saved, and the work can be taken up again."""

    exit_code = 75


BY_NAME = {
    kind.__name__: kind
    for kind in (
        ConfigurationError, DataError, ModelError, NoModel, LimitReached, NotConverged,
        Undetermined, Terminated,
    )
}  # fmt: skip
EXIT_CODES = (
    "Exit codes: 0 done, 1 usage or configuration, 2 data, 3 model, 4 not converged, 5 (with "
    "--strict) undetermined or on a bound, 75 terminated, 130 interrupted twice."
)
