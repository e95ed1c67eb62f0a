"""The document of a fit: what was found and how, as one file of plain, strict JSON.

Its fields are for people and scripts; ``result`` is the exact content of `CurveFitResult.to_json`,
and ``curve`` the fitted curve with its bands on a fine grid, so that a report needs no model.
Numbers that JSON does not know are the strings "inf", "-inf" and "nan".
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from nlsq.io.errors import FileError, missing_file, reason
from nlsq.io.forms import DOCUMENT, mismatch, result_mismatch
from nlsq.result import CurveFitResult, StreamedFitResult
from nlsq.result.recipes import bring_back
from nlsq.utils import interruption
from nlsq.utils.atomic import write_atomically
from nlsq.utils.safe_serialize import DAMAGE

KIND, VERSION = "nlsq fit", 1
LEVEL = 0.95  # of the intervals and bands in a document
_STATISTICS = (
    "chi_squared", "reduced_chi_squared", "rmse", "mae", "r_squared", "adj_r_squared", "aic",
    "aicc", "bic",
)  # fmt: skip
_MOST_AT_DATA = 5000  # points of a curve that is known at the data only


def result_document(
    result: CurveFitResult,
    *,
    provenance: Mapping[str, Any] | None = None,
    table_info: Mapping[str, Any] | None = None,
    x_label: str = "x",
    y_label: str = "y",
    curve_points: int = 400,
    whole: bool = True,
) -> dict[str, Any]:
    """Everything about a fit that a report or another program may ask for.

    Parameters
    ----------
    result : CurveFitResult
        With its model, for the curve.
    provenance : mapping, optional
        How it was computed, as texts and numbers: ``model`` (formula or name), ``command``,
        ``config``, ``created``, ``versions``, ``timings``, ... in the order to show.
    table_info : mapping, optional
        Where the data came from: ``file``, ``format`` (``table.detected["format"]``), ``sha256``,
        ...
    x_label, y_label : str
        Labels of the axes, with units.
    curve_points : int, default 400
        Points of the grid.
    whole : bool, default True
        With ``result``; without it `completed` adds it when it is written.

    Returns
    -------
    dict
        JSON-safe.

    Examples
    --------
    >>> from nlsq import curve_fit
    >>> fit = curve_fit(lambda x, a, b: a * x + b, [0, 1, 2, 3.0], [1, 3.1, 4.9, 7.0])
    >>> document = result_document(fit, y_label="V (mV)", curve_points=7)
    >>> document["parameter_names"], len(document["curve"]["x"])
    (['a', 'b'], 7)
    >>> restore(document).popt.tolist() == fit.popt.tolist()
    True
    """
    from nlsq.result.sentences import cautions

    statistics = {name: getattr(result, name) for name in _STATISTICS} if _known(result) else {}
    intervals = result.confidence_intervals(LEVEL) if result.knows_dof else None
    info = result.get("model_info")
    document = {
        "document": KIND,
        "document_version": VERSION,
        "parameter_names": result.names,
        "popt": result.popt,
        "uncertainties": result.perr,
        "confidence_intervals": intervals,
        "pcov": result.pcov,
        "undetermined": result.get("undetermined") or (),
        "at_bound": result.get("at_bound") or (),
        "fixed": result.get("fixed") or (),
        "statistics": {
            **statistics,
            "cost": result.get("cost"),
            "n_points": result.n_points if result.knows_dof else None,
            "dof": result.dof if result.knows_dof else None,
        },
        "convergence": {
            "success": bool(result.get("success", True)),
            "status": result.get("status"),
            "message": result.get("message", ""),
            "iterations": result.get("nit"),
            "function_evals": result.get("nfev"),
            "jacobian_evals": result.get("njev"),
            "final_cost": result.get("cost"),
            "method": result.get("method"),
            "model": info.describe() if info is not None else None,
        },
        "search": _search(result),
        "warnings": cautions(result),
        "labels": {"x": x_label, "y": y_label},
        "data": dict(table_info or {}),
        "provenance": dict(provenance or {}),
        "curve": _curve(result, curve_points),
    }
    return completed(plain(document), result) if whole else plain(document)


def completed(document: Mapping[str, Any], result: CurveFitResult) -> dict[str, Any]:
    """The document with the whole content of the result, which is as long as the data."""
    return document if "result" in document else {**document, "result": result.to_dict()}


def _known(result: CurveFitResult) -> bool:
    if isinstance(result, StreamedFitResult):
        if interruption.heard():  # who stopped the fit waits for no further pass
            return result.has_statistics
        _ = result.get("moments")  # one more pass over the data
    return result.has_statistics


def _search(result: CurveFitResult) -> dict[str, Any] | None:
    """What a search for the global minimum found; None where there was none."""
    minima = result.get("minima")
    if minima is None:
        return None
    from nlsq.result.search_sentences import search_sentence

    told = ("n_starts", "n_fits", "n_failed", "n_evaluations", "seed", "sampler", "stopped")
    found = [
        {"cost": m.cost, "found": m.count, "popt": m.params, "equal": m.equal, "valley": m.valley}
        for m in minima
    ]
    return {
        "summary": search_sentence(minima), "minima": found, "unseen": minima.unseen,
        **{name: getattr(minima, name) for name in told},
    }  # fmt: skip


def plain(value: Any) -> Any:
    """Numbers, texts, lists and dictionaries; what JSON cannot hold as text.

    Examples
    --------
    >>> plain({"a": np.array([1.0, np.inf]), "b": (True, np.int64(3), 1 - 2j)})
    {'a': [1.0, 'inf'], 'b': [True, 3, '(1-2j)']}
    """
    if isinstance(value, Mapping):
        return {str(key): plain(value[key]) for key in value.keys()}  # noqa: SIM118
    if isinstance(value, np.ndarray):
        return [plain(item) for item in value.tolist()] if value.ndim else plain(value.item())
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(item) for item in value]
    if isinstance(value, np.generic):
        return plain(value.item())
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    return str(value)


# -- the curve -----------------------------------------------------------------------------------


def _curve(result: CurveFitResult, points: int) -> dict[str, Any] | None:
    """The curve on a grid over real, one-dimensional x; None for other data."""
    from nlsq.result import plotting, prediction

    if interruption.heard():  # nor for the curve, for which the model is called many times
        return None
    sampled = isinstance(result, StreamedFitResult)
    data = result._data_to_look_at()
    x = plotting.single_real_x(data) if "xdata" in data and "ydata" in data else None
    if x is None:
        return None
    pointwise = getattr(data.get("model_info"), "pointwise", True)
    at_data = data.get("model") is None or not pointwise
    if at_data and (sampled or len(x) > _MOST_AT_DATA):
        return None
    where = None if at_data else plotting.grid_over(x, points)
    order = np.argsort(x, kind="stable") if at_data else slice(None)
    sigma = None if at_data else plotting.sigma_on(where, x, data)
    try:
        fit = prediction.curve(result, where)[order]
        confidence = [v[order] for v in prediction.confidence_band(result, where, LEVEL)]
        interval = prediction.prediction_interval(result, where, LEVEL, sigma)
    except RuntimeError:  # a result without a model and without the derivatives at the data
        return None
    curve = {
        "x": x[order] if at_data else where,
        "y": fit,
        "level": LEVEL,
        "confidence": confidence,
        "prediction": [v[order] for v in interval],
    }
    if sampled:
        curve["at_sample"] = prediction.curve(result, x)
    return curve


# -- files ---------------------------------------------------------------------------------------


def write_document(document: Mapping[str, Any], path: str | os.PathLike) -> None:
    """Write a document, whole or not at all.

    Raises
    ------
    FileError
        It cannot be written.
    """
    write_file(path, document_text(document))


def document_text(document: Mapping[str, Any]) -> str:
    """The document as strict JSON."""
    head = {k: v for k, v in document.items() if k not in ("result", "curve")}
    text = json.dumps(head, indent=2, ensure_ascii=False, allow_nan=False)
    # what is for machines stays on one line each
    tail = [
        f"  {json.dumps(key)}: {json.dumps(document[key], ensure_ascii=False, allow_nan=False)}"
        for key in ("curve", "result") if key in document
    ]  # fmt: skip
    return ",\n".join([text.removesuffix("\n}"), *tail]) + "\n}\n"


def write_file(path: str | os.PathLike, content: str | bytes) -> None:
    """Write a file, whole or not at all.

    Raises
    ------
    FileError
        It cannot be written.
    """
    try:
        write_atomically(path, content)
    except OSError as error:
        name = os.fspath(path)
        folder = Path(name).parent
        fix = f"There is no folder {str(folder)!r}." if not folder.exists() else ""
        raise FileError(f"{name}: cannot be written: {reason(error)}.", fix) from None


def read_document(path: str | os.PathLike) -> dict[str, Any]:
    """Read the document of a fit.

    Raises
    ------
    FileError
        There is no such file, or it is not such a document.
    """
    name = os.fspath(path)
    try:
        text = Path(path).read_text("utf-8")
    except FileNotFoundError:
        raise missing_file(path) from None
    except OSError as error:
        raise FileError(f"{name}: cannot be read: {reason(error)}.") from None
    except UnicodeDecodeError:
        raise FileError(f"{name}: not a text file.", _FIX) from None
    try:
        document = json.loads(text)
    except json.JSONDecodeError as error:
        cut = "; was it written to its end?" if error.pos >= len(text.rstrip()) else "."
        raise FileError(f"{name}:{error.lineno}: not JSON: {error.msg}{cut}", _FIX) from None
    except (RecursionError, ValueError) as error:
        raise FileError(f"{name}: not JSON: {error}.", _FIX) from None
    check_document(document, name)
    return document


_FIX = "Give the result.json that nlsq fit wrote."


def check_document(document: Any, name: str = "document") -> None:
    """Check that an object is the document of a fit.

    Raises
    ------
    FileError
    """
    if not isinstance(document, dict):
        raise FileError(f"{name}: JSON, but not the document of a fit.", _FIX)
    if "nlsq_result" in document:
        raise FileError(
            f"{name}: a bare result, as to_json writes it, without curve and provenance.",
            "CurveFitResult.from_json reads it; result_document makes a document of it.",
        )
    if str(document.get("document")) != KIND:
        raise FileError(f"{name}: JSON, but not the document of a fit.", _FIX)
    if not isinstance(version := document.get("document_version"), int) or version > VERSION:
        raise FileError(
            f"{name}: version {version!r} of the document; this nlsq reads up to {VERSION}.",
            "Upgrade nlsq.",
        )
    missing = [key for key in (*DOCUMENT, "result") if key not in document and key[-1] != "?"]
    if missing:
        raise FileError(f"{name}: the document lacks {', '.join(missing)}.", _FIX)
    if wrong := mismatch(document, DOCUMENT):
        raise FileError(f"{name}: the document is damaged: {wrong}.", _FIX)


def restore(document: Mapping[str, Any]) -> CurveFitResult:
    """The result in a document, bit by bit, with its model where it is one of `nlsq.models`.

    Any other model stays behind: see `CurveFitResult.attach`.

    Raises
    ------
    FileError
        The document is damaged.
    """
    content = document.get("result")
    kinds = {kind.__name__: kind for kind in (CurveFitResult, StreamedFitResult)}
    try:
        kind = kinds[content["nlsq_result"]]
        result, recipe = kind.from_dict({**content, "model": None}), content.get("model")
    except DAMAGE as error:
        said = str(error) or type(error).__name__
        raise FileError(f"document: its result is damaged ({said:.200}).", _FIX) from None
    if wrong := result_mismatch(result):
        raise FileError(f"document: its result is damaged ({wrong}).", _FIX)
    if recipe is not None:
        bring_back(result, recipe)
    return result
