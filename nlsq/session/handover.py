"""A result from the process that fitted to the one that shows it, its arrays as they are."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from nlsq.utils import interruption

if TYPE_CHECKING:
    from nlsq.result import CurveFitResult
    from nlsq.session.points import Points
    from nlsq.session.settings import Settings

SENT = {"xdata": "x", "ydata": "y", "sigma": "sigma"}  # the asking process has them
_FOUND = ("start", "begin", "seconds")  # what a fit adds to its provenance


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
    names -= set() if points is None else SENT.keys()
    names -= set() if whole or result.is_settled("jac") else {"jac"}
    names -= set() if result.is_settled("moments") else {"moments"}  # a pass over all data
    fields = {name: result.get(name) for name in dict.keys(result) if name in names}
    packed = encode_result(type(result).__name__, fields, vars(result), numbers_stay=True)
    return packed | {"model": None}


def received(
    answer: dict[str, Any], told: dict[str, Any], points: Points | None, settings: Settings
) -> tuple[dict[str, Any], CurveFitResult]:
    """Document and result of a fit in this process, or of a confined one from what it `packed`.

    Parameters
    ----------
    told : dict
        What this process knows of the fit's provenance and data, whatever the other one says.

    Raises
    ------
    ModelError
        What came from the confined process is no fit.
    """
    document, found = answer["document"], answer["result"]
    if type(found) is not dict:
        return document, found
    from nlsq.io.documents import plain
    from nlsq.session.answers import fit_in

    own = {} if points is None else {name: getattr(points, of) for name, of in SENT.items()}
    result = fit_in(document, found | own, settings, points and points.y.size)
    said = {name: document["provenance"].get(name) for name in _FOUND}
    facts = told["data"] | ({} if points is None else points.facts)
    return plain(document | {"provenance": told["provenance"] | said, "data": facts}), result
