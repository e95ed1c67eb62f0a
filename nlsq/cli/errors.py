"""How the program ends: what only it has to say, and an exit code for each error."""

from __future__ import annotations

from nlsq.session.errors import DataError, LostProcess, ModelError, ProgramError


class NotConverged(ProgramError):
    """The fit stopped before it converged."""


class Undetermined(ProgramError):
    """With ``--strict``: parameters the data do not determine, or on their bounds."""


class Terminated(ProgramError):
    """SIGTERM: what there was is saved, and the work can be taken up again."""


_CODES = {
    DataError: 2, ModelError: 3, NotConverged: 4, Undetermined: 5, LostProcess: 6, Terminated: 75,
}  # fmt: skip
EXIT_CODES = (
    "Exit codes: 0 done, 1 usage or configuration, 2 data, 3 model, 4 not converged, 5 (with "
    "--strict) undetermined or on a bound, 6 (with --processes or --dask) one was lost, 75 "
    "terminated, 130 interrupted twice."
)


def exit_code(error: ProgramError) -> int:
    """The code that the program exits with.

    Examples
    --------
    >>> exit_code(Terminated("stopped"))
    75
    """
    return next((code for kind, code in _CODES.items() if isinstance(error, kind)), 1)
