"""What comes back from a confined process, before anything here relies on it.

The child runs a stranger's code. Its answer is data, but of whatever structure the stranger likes:
all that is used of it is first compared with what an honest one has.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from nlsq.io import FileError, restore
from nlsq.io.documents import check_document
from nlsq.io.forms import Each, Numbers, OneOf, Range, Word, mismatch
from nlsq.result import StreamedFitResult
from nlsq.session.errors import BY_NAME, ModelError

if TYPE_CHECKING:
    from nlsq.result import CurveFitResult
    from nlsq.session.settings import Settings

_ERROR = {"error": {"kind": Word(tuple(BY_NAME)), "message": str, "fix": str}}
_NUMBER = OneOf((float, Word(("inf", "-inf", "nan"))))
_LIMITS = Each(_NUMBER, "n")
_BEGIN = {"p0": Each(float, "n"), "lower": _LIMITS, "upper": _LIMITS}
FIT: dict[str, Any] = {
    "document": {
        "parameter_names": Each(str, "n"),
        "statistics": {"cost": _NUMBER, "n_points": Range(int, 1), "dof": int},
        "provenance": {"start": str, "seconds": float, "begin": _BEGIN},
    },
    "result": {},
}  # fmt: skip
GUESS: dict[str, Any] = {
    "names": Each(str, "n"), "p0": Numbers(("n",)), "values": Numbers(("points",)),
}  # fmt: skip
_ROW = {
    "fit": str,
    "outcome": Word(("converged", "not converged", "bad data", "not fitted", "not reached")),
    "message": str,
    "r_squared?": OneOf((None, float)),
    "found?": int, "local_fits?": int, "undetermined?": str, "at_bound?": str, "document?": {},
    "*": OneOf((None, float)),
}  # fmt: skip
BATCH: dict[str, Any] = {"rows": Each(_ROW, "fits")}

_KNOWN = {
    "param_names": Each(str, "n"),
    "n_points": Range(int, 1), "dof": int, "nfev": int, "njev": int, "cost": float,
    "success": bool, "message": str,
    "fixed": [str], "at_bound": [str], "undetermined": [str],
}  # fmt: skip
_X = OneOf((Numbers(("points",)), Numbers(("k", "points"))))
_SIGMA = OneOf((None, Numbers(("points",))))
_WITH_DATA = _KNOWN | {
    "xdata": _X, "ydata": Numbers(("points",)), "sigma": _SIGMA,
    "fun": Numbers(("points",)), "jac?": OneOf((None, Numbers(("points", "n")))),
}  # fmt: skip
_STREAMED = _KNOWN | {
    "weighted": bool,
    "sample": {"xdata": OneOf((Numbers(("sample",)), Numbers(("k", "sample")))),
               "ydata": Numbers(("sample",))},
}  # fmt: skip
#: What must agree: of a result, of its variables and of its document.
_DIRECT_FIT = {"result": _WITH_DATA, "kept": {"_predictions": Numbers(("points",))}}
_STREAMED_FIT = {
    "result": _STREAMED,
    "document": {"curve": OneOf((None, {"at_sample": Each(float, "sample")}))},
}


def check(answer: Any, form: Any, settings: Settings, sizes: dict[str, int]) -> None:
    """Raise where an answer is neither of this form nor an error.

    Raises
    ------
    ModelError
    """
    failed = isinstance(answer, Mapping) and "error" in answer
    if wrong := mismatch(answer, _ERROR if failed else form, sizes):
        raise refused(wrong, settings)


def fit_in(document: Any, content: Any, settings: Settings, points: int | None) -> CurveFitResult:
    """The result that a document and its content hold.

    Parameters
    ----------
    points : int or None
        How many were fitted, where it is known.

    Raises
    ------
    ModelError
    """
    sizes = {} if points is None else {"points": points}
    try:
        check_document({"result": content} | document)
        result = restore({"result": content})
    except FileError as error:
        raise refused(error.message.removeprefix("document: ").rstrip("."), settings) from None
    if content.get("model") is not None:  # a file's is code
        raise refused("model is not empty", settings)
    whole = {"result": result, "kept": vars(result), "document": document}
    streamed = isinstance(result, StreamedFitResult)
    wrong = mismatch(whole, _STREAMED_FIT if streamed else _DIRECT_FIT, sizes)
    if wrong is None and tuple(document["parameter_names"]) != result.names:
        wrong = "the document names other parameters"
    if wrong:
        raise refused(wrong, settings)
    return result


def refused(wrong: str, settings: Settings) -> ModelError:
    """The error for an answer that no honest fit gives."""
    return ModelError(
        f"{settings.model.path}: the answer of the sandbox is damaged: {wrong}.",
        "The file interferes with its own fit; do not trust it.",
    )
