"""What the document of a fit and the result in it look like, for what strangers wrote of them.

A form is a type, ``[form]`` for a list or tuple, ``{name: form}`` for a mapping, or one of the
classes below. A name may be missing where its form says ``"name?"``; what has no name there is of
the form of ``"*"``, or anything. A text in place of a length is the same length everywhere.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from nlsq.result import OptimizeResult
from nlsq.result.minima import Minima
from nlsq.result.model_record import ModelRecord

_LONGEST = 100_000  # characters of a text
_LARGEST = 1 << 63

Length = str | int


@dataclass(frozen=True)
class OneOf:
    """Any of these forms."""

    forms: tuple[Any, ...]


@dataclass(frozen=True)
class Each:
    """A list or tuple of so many, each of this form."""

    form: Any
    length: Length


@dataclass(frozen=True)
class Numbers:
    """An array of numbers, of these kinds of NumPy's."""

    shape: tuple[Length, ...]
    kinds: str = "biuf"


@dataclass(frozen=True)
class Range:
    """A number between these, and not NaN."""

    form: type
    least: float
    most: float = math.inf


@dataclass(frozen=True)
class Word:
    """One of these texts."""

    words: tuple[str, ...]


def mismatch(
    value: Any, form: Any, sizes: dict[str, int] | None = None, where: str = ""
) -> str | None:
    """What is wrong with a value, or None.

    sizes: lengths that are known, by name; the others are added.

    Examples
    --------
    >>> mismatch({"a": [1, "b"]}, {"a": [int]})
    'a[1] is no int'
    >>> mismatch({"x": [1, 2], "y": [3]}, {"x": Each(int, "m"), "y": Each(int, "m")})
    'y has 1 entries, not 2'
    """
    sizes = {} if sizes is None else sizes
    if isinstance(form, OneOf):
        found = [mismatch(value, one, dict(sizes), where) for one in form.forms]
        if None not in found:
            return found[-1]
        return mismatch(value, form.forms[found.index(None)], sizes, where)
    if isinstance(form, Mapping):
        return _in_mapping(value, form, sizes, where)
    if isinstance(form, list | Each):
        return _in_list(value, form, sizes, where)
    if isinstance(form, Numbers):
        return _in_array(value, form, sizes, where)
    if isinstance(form, Word):
        known = type(value) is str and value in form.words
        return None if known else f"{where} is none of the words that it may be"
    if isinstance(form, Range):
        outside = f"{where} is not between {form.least:g} and {form.most:g}"
        wrong = _in_scalar(value, form.form, where)
        return wrong or (None if form.least <= value <= form.most else outside)
    if form is None:
        return None if value is None else f"{where} is not empty"
    if form is ModelRecord and isinstance(value, ModelRecord):
        return mismatch(vars(value), _RECORD, sizes, where)
    return _in_scalar(value, form, where)


def _in_mapping(value: Any, form: Mapping, sizes: dict, where: str) -> str | None:
    if not isinstance(value, Mapping):
        return f"{where or 'it'} is no mapping"
    others = value.keys() - {name.removesuffix("?") for name in form} if "*" in form else ()
    if not all(type(name) is str and len(name) < _LONGEST for name in others):
        return f"{where} has a key that is no name"
    named = {name: one for name, one in form.items() if name != "*"}
    for name, one in (named | {other: form["*"] for other in others}).items():
        key = name if name in value else name.removesuffix("?")
        place = f"{where}.{key}" if where else key
        if key not in value:
            if key == name:
                return f"{place} is missing"
        elif wrong := mismatch(value.get(key), one, sizes, place):
            return wrong
    return None


def _in_list(value: Any, form: Any, sizes: dict, where: str) -> str | None:
    if not isinstance(value, list | tuple):
        return f"{where} is no list"
    if isinstance(form, Each) and (wrong := _length(len(value), form.length, sizes, where)):
        return wrong
    one = form.form if isinstance(form, Each) else form[0]
    if one in (float, _NUMBER) and set(map(type, value)) <= {float}:  # a long curve
        return None
    found = (mismatch(item, one, sizes, f"{where}[{i}]") for i, item in enumerate(value))
    return next(filter(None, found), None)


def _in_array(value: Any, form: Numbers, sizes: dict, where: str) -> str | None:
    if not isinstance(value, np.ndarray) or value.dtype.kind not in form.kinds:
        return f"{where} is no array of numbers"
    if value.ndim != len(form.shape):
        return f"{where} has {value.ndim} dimensions, not {len(form.shape)}"
    wrong = (_length(*pair, sizes, where) for pair in zip(value.shape, form.shape, strict=True))
    return next(filter(None, wrong), None)


def _length(found: int, wanted: Length, sizes: dict[str, int], where: str) -> str | None:
    known = sizes.setdefault(wanted, found) if isinstance(wanted, str) else wanted
    return None if found == known else f"{where} has {found} entries, not {known}"


def _in_scalar(value: Any, form: type, where: str) -> str | None:
    kinds = (int, float) if form is float else (form,)
    if isinstance(value, np.generic):  # as exact in their JSON as Python's own
        value = value.item()
    if type(value) not in kinds:
        return f"{where} is no {'number' if form is float else form.__name__}"
    if type(value) is int and abs(value) >= _LARGEST:
        return f"{where} is beyond 64 bits"
    if type(value) is str and len(value) > _LONGEST:
        return f"{where} has {len(value)} characters, more than {_LONGEST}"
    return None


# -- the forms -----------------------------------------------------------------------------------

COUNT = Range(int, 0)
_POSITIVE = Range(float, 0)
_FINITE = Range(float, -sys.float_info.max, sys.float_info.max)
_NUMBER = OneOf((float, Word(("inf", "-inf", "nan"))))  # JSON has no words for these
_MAYBE = OneOf((None, _NUMBER))
_BAND = Each(Each(_NUMBER, "curve"), 2)
_COUNTS = {"n_points": OneOf((None, COUNT)), "dof": OneOf((None, int)), "*": _MAYBE}
_SUMS = dict.fromkeys(("rmse", "r_squared", "adj_r_squared", "aic", "bic"), _NUMBER) | (
    dict.fromkeys(
        ("chi_squared", "reduced_chi_squared"),
        OneOf((_POSITIVE, Word(("inf", "nan")))),
    )
)
#: The document of a fit, without the result.
DOCUMENT: dict[str, Any] = {
    "parameter_names": Each(str, "n"),
    "popt": Each(_NUMBER, "n"),
    "uncertainties": Each(_NUMBER, "n"),
    "confidence_intervals": OneOf((None, Each(Each(_NUMBER, 2), "n"))),
    "pcov": Each(Each(_NUMBER, "n"), "n"),
    "undetermined": [str],
    "at_bound": [str],
    "fixed": [str],
    "statistics": OneOf((_COUNTS | {"chi_squared?": None}, _COUNTS | _SUMS)),
    "convergence": {"success": bool, "message": str, "model": OneOf((None, str))},
    "search?": OneOf((None, {
        "summary": str, "unseen": _NUMBER, "n_starts": COUNT, "n_fits": COUNT,
        "minima": [{"cost": _FINITE, "found": COUNT, "popt": Each(_FINITE, "n")}],
    })),
    "warnings": [str],
    "stability?": str,
    "labels": {"x": str, "y": str},
    "data": {},
    "provenance": {},
    "curve": OneOf((None, {
        "x": Each(_NUMBER, "curve"), "y": Each(_NUMBER, "curve"), "level": float,
        "confidence": _BAND, "prediction": _BAND, "at_sample?": Each(_NUMBER, "sample"),
    })),
    "certified?": {
        "values": Each(_FINITE, "n"), "value_digits": Each(_FINITE, "n"),
        "stderr?": Each(_FINITE, "n"), "stderr_digits?": Each(_FINITE, "n"),
    },
}  # fmt: skip
_RECORD = {"name": str, "text": str, "fields": {"pointwise?": bool}}
#: Of what a stored record of a field holds.
_RECORDS = {
    "fallback": {"why": str, "recovered": bool, "tried": [ModelRecord]},
    "stability": {"findings": [ModelRecord], "actions": [ModelRecord]},
}
_ACTION = {"kind": str, "text": str}
_HEALTH = {"title": str, "unknown": [str]}  # a Finding looks after itself
_VECTOR = OneOf((Numbers(("n",)), Each(float, "n")))
_FIELDS: dict[str, Any] = {
    "x": Numbers(("n",)),
    "pcov": Numbers(("n", "n")),
    "pcov_determined?": OneOf((None, Numbers(("n", "n")))),
    "active_mask?": OneOf((None, Numbers(("n",)))),
    "param_names?": OneOf((None, Each(str, "n"))),
    "cost?": OneOf((None, float)),
    "nfev?": int, "njev?": OneOf((None, int)), "nit?": OneOf((None, int)), "status?": int,
    "message?": str,
    "success?": bool,
    "p0?": OneOf((None, _VECTOR)),
    "bounds?": OneOf((None, Each(OneOf((float, _VECTOR)), 2))),
    "fixed?": [str], "at_bound?": [str], "undetermined?": [str], "warnings?": [str],
    "null_directions?": [{"*": float}],
    "tries?": [{"name": str, "cost": float, "kept": bool}],
    "minima?": OneOf((None, Minima)),
    "fallback?": OneOf((None, ModelRecord)), "stability?": ModelRecord,
    "precision?": [{"state": str, "reason": str}],
    "inferred_bounds?": {"*": {"lower": OneOf((None, float)), "upper": OneOf((None, float)),
                               "reason": str, "released": bool}},
    "absolute_sigma?": bool, "weighted?": bool,
    "loss?": str, "method?": str, "backend?": str, "model_name?": OneOf((None, str)),
    "n_points?": COUNT, "dof?": int,
    "wall_time?": OneOf((None, float)),
    "grad?": Numbers(("n",)),
    "model?": None, "model_info?": OneOf((None, ModelRecord)),
    "sample?": {"ydata": Numbers(("sample",), "biufc"),
                "sigma": OneOf((None, Numbers(("sample",))))},
    "moments?": {
        **dict.fromkeys(("chi_squared", "squares", "absolute", "total", "kurtosis?"), _POSITIVE),
        "skewness?": float, "correlation?": float, "score?": float, "pairs?": COUNT,
        "changes?": COUNT,
    },
}  # fmt: skip


_VARIABLES = {
    "_predictions?": Numbers(("m",), "biufc"), "_factor?": Numbers(("k", "n")),
    "_model_lost?": str, "*": Word(()),
}  # fmt: skip


def _in_health(report: Any) -> str | None:
    if type(report).__name__ != "HealthReport":  # whose package few results load
        return " is no HealthReport"
    wrong = mismatch(report.to_dict(), _HEALTH)
    return f".{wrong}" if wrong else None


def result_mismatch(fields: OptimizeResult) -> str | None:
    """What is wrong with a restored result, or None."""
    if wrong := mismatch(fields, _FIELDS) or mismatch(vars(fields), _VARIABLES):
        return wrong
    if (tries := fields.get("tries")) and not any(one["kept"] for one in tries):
        return "tries has none that was kept"
    for name, form in _RECORDS.items():
        if (told := fields.get(name)) and (wrong := mismatch(told.fields, form)):
            return f"{name}.{wrong}"
    actions = fields.stability.actions if "stability" in fields else ()
    if wrong := mismatch([vars(one)["fields"] for one in actions], [_ACTION], where="actions"):
        return f"stability.{wrong}"
    if "diagnostics" in fields and (wrong := _in_health(fields.diagnostics)):
        return f"diagnostics{wrong}"
    names = fields.get("param_names") or ()
    if (minima := fields.get("minima")) is not None and minima.names != tuple(fields.names):
        return "minima are of other parameters"
    directions = fields.get("null_directions") or ()
    strange = {name for one in directions for name in one if name not in names}
    if strange and names:
        return f"null_directions names {min(strange):.40}, which is no parameter"
    return None
