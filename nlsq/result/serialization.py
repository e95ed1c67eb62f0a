"""Results to JSON and back, exactly and without pickle; and what travels when they are pickled.

Values are written by `nlsq.utils.safe_serialize`, as people like to read them; a result also holds

    {"$record": {field: value}, "name": "ModelInfo", "text": its describe() sentence}
    {"$function": "its name"}    {"$frame": ...}    {"$series": ...}    {"$minima": {field: value}}
    {"$health": a report's findings}
"""

from __future__ import annotations

import dataclasses
import json
import os
import pickle
from collections.abc import Mapping
from typing import Any

import numpy as np

from nlsq.result.minima import Minima
from nlsq.result.model_record import ModelRecord
from nlsq.result.recipes import recipe_of
from nlsq.utils.input_error import InputError
from nlsq.utils.safe_serialize import DAMAGE, Codec

FORMAT = 1
_CLASS, _VERSION, _EXTRA = "nlsq_result", "format", "$extra"
_NOT_PICKLABLE = (pickle.PicklingError, AttributeError, TypeError)
_NOT_LOADABLE = (pickle.UnpicklingError, AttributeError, ImportError, InputError)


# -- JSON: values ------------------------------------------------------------------------------


class _ResultCodec(Codec):
    """Values as in every JSON text of ours, and tables, records and the names of functions.

    Parameters
    ----------
    numbers_stay : bool
        Leave arrays of numbers as they are, for what carries them better than text does.
    """

    def __init__(self, numbers_stay: bool = False):
        super().__init__()
        self._numbers_stay = numbers_stay

    def _array_out(self, array: np.ndarray, level: int) -> Any:
        if self._numbers_stay and array.dtype.kind in "biufc":
            return array
        return super()._array_out(array, level)

    def other_out(self, value: Any, level: int) -> Any:
        if isinstance(value, Minima):
            return {"$minima": self.encode(value.parts(), level)}
        if type(value).__name__ == "HealthReport":  # whose package few results load
            return {"$health": self.encode(value.to_dict(), level)}
        if isinstance(value, ModelRecord) or (
            dataclasses.is_dataclass(value) and not isinstance(value, type)
        ):
            return self._record_out(value, level)
        if type(value).__module__.split(".")[0] == "pandas" and hasattr(value, "index"):
            return self._frame_out(value)
        if callable(value) and not hasattr(value, "__array__"):
            return {"$function": function_name(value)}
        return super().other_out(value, level)

    def _record_out(self, value: Any, level: int) -> dict:
        describe = getattr(value, "describe", None)
        fields = value.fields if isinstance(value, ModelRecord) else _fields(value)
        name = value.name if isinstance(value, ModelRecord) else type(value).__name__
        text = describe() if callable(describe) else ""
        held = {k: self.encode(v, level) for k, v in fields.items()}
        return {"$record": held, "name": name, "text": text}

    def _frame_out(self, value: Any) -> Any:
        """Encode a pandas Series or DataFrame (told by name: pandas is not ours to import)."""
        index = encode(np.asarray(value.index))
        if hasattr(value, "columns"):
            columns = [[encode(c), encode(np.asarray(value[c]))] for c in value.columns]
            return {"$frame": columns, "index": index}
        return {"$series": encode(np.asarray(value)), "name": encode(value.name), "index": index}

    def other_in(self, tag: str, value: dict, level: int) -> Any:
        body = value[tag]
        if tag == "$frame" or tag == "$series":
            return _frame_in(value)
        if tag == "$record":
            fields = {k: self.decode(v, level) for k, v in body.items()}
            return ModelRecord(name=value["name"], fields=fields, text=value["text"])
        if tag == "$function":
            return body
        if tag == "$health":
            from nlsq.diagnostics.health_report import HealthReport

            return HealthReport.from_dict(self.decode(body, level))
        if tag == "$minima":
            return Minima.from_parts(self.decode(body, level))
        return super().other_in(tag, value, level)


def _frame_in(tag: Mapping[str, Any]) -> Any:
    import pandas as pd

    index = decode(tag["index"])
    if "$series" in tag:
        return pd.Series(decode(tag["$series"]), name=decode(tag["name"]), index=index)
    return pd.DataFrame({decode(c): decode(v) for c, v in tag["$frame"]}, index=index)


def _fields(value: Any) -> dict[str, Any]:
    return {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}


def function_name(function: Any) -> str:
    """A readable name of a function, class instance or `functools.partial`."""
    inner = getattr(function, "func", function)
    names = (getattr(inner, key, None) for key in ("__qualname__", "__name__"))
    name = next(filter(None, names), type(inner).__name__)
    return str(name).replace("<locals>.", "")


def encode(value: Any, numbers_stay: bool = False) -> Any:
    """Turn a value into JSON-safe objects; TypeError for what has no exact JSON form here."""
    return _ResultCodec(numbers_stay).encode(value)


def decode(value: Any) -> Any:
    """Inverse of `encode`; functions come back as their name."""
    return _ResultCodec().decode(value)


# -- JSON: results -----------------------------------------------------------------------------


def encode_result(
    kind: str, fields: dict[str, Any], extra: dict[str, Any], numbers_stay: bool = False
) -> dict[str, Any]:
    """Fields and instance variables of a result as one JSON-safe dictionary."""
    out: dict[str, Any] = {_CLASS: kind, _VERSION: FORMAT}
    for name, value in fields.items():
        if name == "model":  # of a model of ours its name or formula; no code
            out[name] = recipe_of(value)
            continue
        if not isinstance(name, str) or name in out or name.startswith("$"):
            raise TypeError(f"a field named {name!r} cannot be stored as JSON")
        try:
            out[name] = encode(value, numbers_stay)
        except TypeError as error:
            raise TypeError(f"field {name!r}: {error}; delete or convert it first") from None
    if out.get("model") is None:
        extra = _without_model(fields, extra, "JSON holds no functions")
    out[_EXTRA] = encode(extra, numbers_stay)
    return out


def decode_result(kind: str, data: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Inverse of `encode_result`: (fields, instance variables)."""
    if not isinstance(data, Mapping) or not {_CLASS, _VERSION} <= data.keys():
        raise ValueError("not a stored result: it was not written by to_dict() or to_json()")
    if data[_CLASS] != kind:
        raise ValueError(
            f"the data hold a {data[_CLASS]}, not a {kind}: use {data[_CLASS]}.from_dict"
        )
    if type(data[_VERSION]) is not int or data[_VERSION] > FORMAT:
        raise ValueError(
            f"format {data[_VERSION]!r:.40} is none, or newer than this version reads ({FORMAT})"
        )
    skip = {_CLASS, _VERSION, _EXTRA}
    try:
        fields = {
            name: None if name == "model" else decode(value)  # see `CurveFitResult.from_dict`
            for name, value in data.items() if name not in skip
        }  # fmt: skip
        return fields, decode(data.get(_EXTRA, {}))
    except DAMAGE as error:
        said = f"{type(error).__name__}: {error}"
        raise ValueError(f"the stored result is damaged: {said:.200}") from None


def dump(data: dict[str, Any], path: str | os.PathLike | None, indent: int | None) -> str:
    """JSON text of `data`, also written to `path` when there is one."""
    text = json.dumps(data, allow_nan=False, indent=indent)
    if path is not None:
        with open(path, "w", encoding="utf-8") as file:
            file.write(text + "\n")
    return text


def load(source: str | os.PathLike) -> dict[str, Any]:
    """Parse JSON text, or the file that `source` names."""
    if isinstance(source, str) and source.lstrip().startswith("{"):
        return json.loads(source)
    with open(source, encoding="utf-8") as file:
        return json.load(file)


# -- pickle ------------------------------------------------------------------------------------


def _without_model(fields: dict, extra: dict, reason: str) -> dict[str, Any]:
    if fields.get("model") is None:
        return extra
    return {**extra, "_model_lost": reason}


def pack(fields: dict[str, Any], extra: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Make a result picklable: what is or holds a function travels as bytes, or not at all.

    The bytes are nested so that a function that cannot be found again in the reading process costs
    the function and not the result.
    """
    packed = dict(fields)
    for name, value in fields.items():
        if name == "model" or callable(value) or dataclasses.is_dataclass(value):
            try:
                packed[name] = _Parcel(pickle.dumps(value), function_name(value))
            except _NOT_PICKLABLE as error:
                packed[name] = None if name == "model" else function_name(value)
                if name == "model":
                    extra = _without_model(fields, extra, f"it could not be pickled ({error})")
    return packed, dict(extra)


def unpack(fields: dict[str, Any], extra: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Open the parcels made by `pack`."""
    fields = dict(fields)
    for name, value in fields.items():
        if not isinstance(value, _Parcel):
            continue
        try:
            fields[name] = pickle.loads(value.data)
        except _NOT_LOADABLE as error:
            fields[name] = None if name == "model" else value.name
            if name == "model":
                extra = {**extra, "_model_lost": f"it could not be found again ({error})"}
    return fields, extra


@dataclasses.dataclass(frozen=True)
class _Parcel:
    data: bytes
    name: str
