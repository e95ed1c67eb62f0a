"""A result from the process that fitted to the one that shows it, its arrays as they are."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from nlsq.cli.errors import ModelError
from nlsq.utils import interruption

if TYPE_CHECKING:
    from nlsq.cli.points import Points
    from nlsq.cli.settings import Settings
    from nlsq.result import CurveFitResult

_SENT = {"xdata": "x", "ydata": "y", "sigma": "sigma"}  # the asking process has them


def settle(result: CurveFitResult) -> None:
    """Make the last pass over a file, for the statistics, unless the user ends the fit.

    Then, and where one did before, the model is called no more than the document needs.
    """
    interruption.acted_upon()  # there is a result
    if not interruption.heard():
        with suppress(KeyboardInterrupt):
            _ = result.get("moments")
    if interruption.heard() and not result.is_settled("jac"):
        result.pop("jac", None)


def packed(result: CurveFitResult, points: Points | None, whole: bool) -> dict[str, Any]:
    """The result as data, its model left behind.

    Parameters
    ----------
    points : Points or None
        What was sent along with the request.
    whole : bool
        The Jacobian too.
    """
    from nlsq.result.serialization import encode_result

    names = set(result.keys())
    if "xdata" in names:
        _ = result.predictions  # which only the model knows
    names -= set() if points is None else _SENT.keys()
    names -= set() if whole or result.is_settled("jac") else {"jac"}
    names -= set() if result.is_settled("moments") else {"moments"}  # a pass over all data
    fields = {name: result[name] for name in result.keys() if name in names}  # noqa: SIM118
    return encode_result(type(result).__name__, fields, vars(result), numbers_stay=True)


def received(found: Any, points: Points | None, settings: Settings) -> CurveFitResult:
    """The result that a fit in this process left, or a confined one `packed`.

    Raises
    ------
    ModelError
        What came from the confined process is no result.
    """
    from nlsq.io import FileError, restore

    if type(found) is not dict:
        return found
    own = {} if points is None else {name: getattr(points, of) for name, of in _SENT.items()}
    try:
        return restore({"result": found | own})
    except FileError as error:
        raise ModelError(f"{settings.model.path}: {error.message}") from None
