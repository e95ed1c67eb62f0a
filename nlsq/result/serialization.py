"""Results to JSON and back, exactly and without pickle; and what travels when they are pickled.

JSON is written strictly (no NaN literals). A float64 array is a nested list, its non-finite entries
the strings "nan", "inf" and "-inf"; Python's shortest float text restores every bit. Everything
else that JSON does not know is an object with one key that starts with "$":

    {"$array": data, "dtype": "<i8", "shape": [3]}    {"$tuple": [...]}      {"$list": [...]}
    {"$float": "inf"}     {"$complex": [re, im]}      {"$map": [[key, value], ...]}
    {"$record": {field: value}, "name": "ModelInfo", "text": its describe() sentence}
    {"$function": "its name"}                         {"$frame": ...}        {"$series": ...}

A NaN with other than the usual bits is written with them: "nan:7ff8000000000001".
"""

from __future__ import annotations

import base64
import dataclasses
import json
import math
import os
import pickle
import struct
from collections.abc import Mapping
from typing import Any

import numpy as np

from nlsq.result.model_record import ModelRecord

FORMAT = 1
_CLASS, _VERSION, _EXTRA = "nlsq_result", "format", "$extra"
_PLAIN_NAN = 0x7FF8000000000000
_NOT_PICKLABLE = (pickle.PicklingError, AttributeError, TypeError)
_NOT_LOADABLE = (pickle.UnpicklingError, AttributeError, ImportError)
_TEXT_DTYPES = {"f": "<f{}", "i": "<i{}", "u": "<u{}"}


# -- JSON: values ------------------------------------------------------------------------------


def _float_out(value: float) -> float | str:
    if math.isfinite(value):
        return value
    if math.isinf(value):
        return "inf" if value > 0 else "-inf"
    bits = struct.unpack("<Q", struct.pack("<d", value))[0]
    return "nan" if bits == _PLAIN_NAN else f"nan:{bits:016x}"


def _float_in(value: float | str) -> float:
    if isinstance(value, str) and value.startswith("nan:"):
        return struct.unpack("<d", struct.pack("<Q", int(value[4:], 16)))[0]
    return float(value)


def _nested_floats(array: np.ndarray) -> Any:
    if np.isfinite(array).all():
        return array.tolist()
    if array.ndim == 1:
        return [_float_out(v) for v in array.tolist()]
    return [_nested_floats(row) for row in array]


def _floats_in(data: list) -> np.ndarray:
    flat, shape, level = data, [], data
    while isinstance(level, list):
        shape.append(len(level))
        level = level[0] if level else None
    for _ in shape[1:]:
        flat = [v for row in flat for v in row]
    return np.array([_float_in(v) for v in flat], dtype=np.float64).reshape(shape)


def _array_out(array: np.ndarray) -> Any:
    kind, shape = array.dtype.kind, list(array.shape)
    if array.dtype == np.float64 and array.ndim and array.size:
        return _nested_floats(array)
    head = {"dtype": array.dtype.newbyteorder("<").str, "shape": shape}
    flat = np.ascontiguousarray(array).reshape(-1)
    if array.dtype == np.complex128:
        parts = flat.view(np.float64)
        return {"$array": [_float_out(v) for v in parts.tolist()], **head}
    if array.dtype == np.float64:
        return {"$array": [_float_out(v) for v in flat.tolist()], **head}
    if kind in "biuU":
        return {"$array": flat.tolist(), **head}
    if kind == "O":
        return {"$array": [encode(v) for v in flat.tolist()], "dtype": "object", "shape": shape}
    if kind in "fcMmS":
        raw = flat.astype(array.dtype.newbyteorder("<")).tobytes()
        return {"$array": base64.b64encode(raw).decode("ascii"), **head}
    raise TypeError(f"an array of dtype {array.dtype} cannot be stored as JSON")


def _array_in(tag: Mapping[str, Any]) -> np.ndarray:
    data, shape = tag["$array"], tag["shape"]
    if tag["dtype"] == "object":
        out = np.empty(len(data), dtype=object)
        for i, item in enumerate(data):
            out[i] = decode(item)
        return out.reshape(shape)
    dtype = np.dtype(tag["dtype"])
    if isinstance(data, str):
        return (
            np.frombuffer(base64.b64decode(data), dtype)
            .astype(dtype.newbyteorder("="))
            .reshape(shape)
        )
    if dtype.kind in "fc":
        parts = np.array([_float_in(v) for v in data], dtype=np.float64)
        return parts.view(dtype.newbyteorder("=")).reshape(shape)
    return np.array(data, dtype=dtype.newbyteorder("=")).reshape(shape)


def _frame_out(value: Any) -> Any:
    """Encode a pandas Series or DataFrame (told by name: pandas is not ours to import)."""
    index = encode(np.asarray(value.index))
    if hasattr(value, "columns"):
        columns = [[encode(c), encode(np.asarray(value[c]))] for c in value.columns]
        return {"$frame": columns, "index": index}
    return {"$series": encode(np.asarray(value)), "name": encode(value.name), "index": index}


def _frame_in(tag: Mapping[str, Any]) -> Any:
    import pandas as pd

    index = decode(tag["index"])
    if "$series" in tag:
        return pd.Series(decode(tag["$series"]), name=decode(tag["name"]), index=index)
    return pd.DataFrame({decode(c): decode(v) for c, v in tag["$frame"]}, index=index)


def _record_out(value: Any) -> dict:
    describe = getattr(value, "describe", None)
    fields = value.fields if isinstance(value, ModelRecord) else _fields(value)
    name = value.name if isinstance(value, ModelRecord) else type(value).__name__
    text = describe() if callable(describe) else ""
    return {"$record": {k: encode(v) for k, v in fields.items()}, "name": name, "text": text}


def _fields(value: Any) -> dict[str, Any]:
    return {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}


def function_name(function: Any) -> str:
    """A readable name of a function, class instance or `functools.partial`."""
    inner = getattr(function, "func", function)
    name = getattr(inner, "__qualname__", None) or type(inner).__name__
    return str(name).replace("<locals>.", "")


def encode(value: Any) -> Any:
    """Turn a value into JSON-safe objects.

    Raises
    ------
    TypeError
        For a type that has no exact JSON form here.
    """
    if isinstance(value, np.generic) and not isinstance(value, (np.datetime64, np.timedelta64)):
        value = np.asarray(value) if isinstance(value, np.longdouble) else value.item()
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        out = _float_out(float(value))
        return {"$float": out} if isinstance(out, str) else out
    if isinstance(value, complex):
        return {"$complex": [_float_out(value.real), _float_out(value.imag)]}
    if isinstance(value, (np.ndarray, np.generic)):
        return _array_out(np.asarray(value))
    if isinstance(value, (tuple, list)):
        return {"$tuple" if isinstance(value, tuple) else "$list": [encode(v) for v in value]}
    if isinstance(value, Mapping):
        names = list(value.keys())  # iterating a CurveFitResult gives its pair, not its names
        if all(isinstance(k, str) and not k.startswith("$") for k in names):
            return {k: encode(v) for k, v in value.items()}
        return {"$map": [[encode(k), encode(v)] for k, v in value.items()]}
    if isinstance(value, ModelRecord) or (
        dataclasses.is_dataclass(value) and not isinstance(value, type)
    ):
        return _record_out(value)
    if type(value).__module__.split(".")[0] == "pandas" and hasattr(value, "index"):
        return _frame_out(value)
    if hasattr(value, "__array__"):  # a JAX array, a pandas Index
        return _array_out(np.asarray(value))
    if callable(value):
        return {"$function": function_name(value)}
    raise TypeError(f"a value of type {type(value).__name__} cannot be stored as JSON")


def decode(value: Any) -> Any:
    """Inverse of `encode`; functions come back as their name."""
    if isinstance(value, list):
        return _floats_in(value)
    if not isinstance(value, dict):
        return value
    tag = next(iter(value), "")
    if not tag.startswith("$"):
        return {k: decode(v) for k, v in value.items()}
    body = value[tag]
    if tag == "$array":
        return _array_in(value)
    if tag in ("$frame", "$series"):
        return _frame_in(value)
    if tag in ("$tuple", "$list"):
        items = [decode(v) for v in body]
        return tuple(items) if tag == "$tuple" else items
    if tag == "$map":
        return {decode(k): decode(v) for k, v in body}
    if tag == "$float":
        return _float_in(body)
    if tag == "$complex":
        return complex(_float_in(body[0]), _float_in(body[1]))
    if tag == "$record":
        fields = {k: decode(v) for k, v in body.items()}
        return ModelRecord(name=value["name"], fields=fields, text=value["text"])
    if tag == "$function":
        return body
    raise ValueError(f"unknown tag {tag!r}: the file was written by a newer version")


# -- JSON: results -----------------------------------------------------------------------------


def encode_result(kind: str, fields: dict[str, Any], extra: dict[str, Any]) -> dict[str, Any]:
    """Fields and instance variables of a result as one JSON-safe dictionary."""
    out: dict[str, Any] = {_CLASS: kind, _VERSION: FORMAT}
    for name, value in fields.items():
        if name == "model":  # a function: cannot travel, `attach` brings it back
            out[name] = None
            continue
        if not isinstance(name, str) or name in out or name.startswith("$"):
            raise TypeError(f"a field named {name!r} cannot be stored as JSON")
        try:
            out[name] = encode(value)
        except TypeError as error:
            raise TypeError(f"field {name!r}: {error}; delete or convert it first") from None
    out[_EXTRA] = encode(_without_model(fields, extra, "JSON holds no functions"))
    return out


def decode_result(kind: str, data: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Inverse of `encode_result`: (fields, instance variables)."""
    if not isinstance(data, Mapping) or _CLASS not in data:
        raise ValueError("not a stored result: it was not written by to_dict() or to_json()")
    if data[_CLASS] != kind:
        raise ValueError(
            f"the data hold a {data[_CLASS]}, not a {kind}: use {data[_CLASS]}.from_dict"
        )
    if data[_VERSION] > FORMAT:
        raise ValueError(f"format {data[_VERSION]} is newer than this version reads ({FORMAT})")
    skip = {_CLASS, _VERSION, _EXTRA}
    fields = {name: decode(value) for name, value in data.items() if name not in skip}
    return fields, decode(data.get(_EXTRA, {}))


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
