"""Values to JSON and back, exactly and without pickle.

JSON is written strictly (no NaN literals). A float64 array may be a nested list, its non-finite
entries the strings "nan", "inf" and "-inf"; Python's shortest float text restores every bit.
Everything else that JSON does not know is an object with one key that starts with "$":

    {"$array": data, "dtype": "<i8", "shape": [3]}    {"$tuple": [...]}      {"$list": [...]}
    {"$float": "inf"}     {"$complex": [re, im]}      {"$map": [[key, value], ...]}
    {"$scalar": array}    {"$bytes": base64}          {"$set": [...]}        {"$frozenset": [...]}

A NaN with other than the usual bits is written with them: "nan:7ff8000000000001". Reading builds
only these values: no class is looked up and nothing is called, whatever the text says.
"""

from __future__ import annotations

import base64
import json
import math
import re
import struct
from collections.abc import Mapping
from typing import Any

import numpy as np

from nlsq.utils.input_error import InputError

_PLAIN_NAN = 0x7FF8000000000000
_DTYPE = re.compile(r"[<|=]?[biufcSU]\d{1,9}|[<|=]?[mM]8(\[\d{0,6}[A-Za-zμ]{1,7}\])?|object|T")
_DEEPEST = 200  # levels inside each other
_FREE_BYTES = 1 << 26  # what fixed-width texts may take beyond their characters
_COMPACT_FROM = 64  # values of an array, from which on base64 replaces readable numbers
#: What hostile or damaged text makes the steps of `Codec.decode` raise.
DAMAGE = (
    ArithmeticError, AttributeError, LookupError, MemoryError, RecursionError, TypeError,
    ValueError, struct.error,
)  # fmt: skip


class SafeSerializationError(InputError):
    """A value that has no exact JSON form, or a text that was not written by `safe_dumps`.

    Examples
    --------
    >>> safe_loads('{"$object": "os.system"}')
    Traceback (most recent call last):
    nlsq.utils.safe_serialize.SafeSerializationError: unreadable: unknown tag '$object': ...
    """


def safe_dumps(obj: Any) -> str:
    """JSON text from which `safe_loads` restores the value exactly.

    Parameters
    ----------
    obj : object
        None, bool, int, float, complex, str, bytes, NumPy arrays and scalars of any such dtype,
        and lists, tuples, sets and dicts of them, up to 200 levels deep.

    Returns
    -------
    str
        Strict JSON in ASCII.

    Raises
    ------
    SafeSerializationError
        For any other type.

    Examples
    --------
    >>> safe_dumps({"a": (1, -0.0, float("inf"))})
    '{"a": {"$tuple": [1, -0.0, {"$float": "inf"}]}}'
    """
    try:
        return json.dumps(Codec(compact=True).encode(obj), allow_nan=False)
    except TypeError as error:
        raise SafeSerializationError(f"{error}.", "Convert it first.") from None
    except (RecursionError, ValueError) as error:  # also an int of more than 4300 digits
        raise SafeSerializationError(f"the value cannot be stored as JSON: {error}.") from None


def safe_loads(text: str) -> Any:
    """The value that `safe_dumps` wrote.

    Parameters
    ----------
    text : str
        What `safe_dumps` returned. Text from strangers is safe to read.

    Returns
    -------
    object
        The value, with the types and bits it had.

    Raises
    ------
    SafeSerializationError
        If the text is damaged, forged or too deep.

    Examples
    --------
    >>> import numpy as np
    >>> safe_loads(safe_dumps({1: np.array([1.5, np.nan]), "1": b"raw"}))
    {1: array([1.5, nan]), '1': b'raw'}
    """
    try:
        return Codec(compact=True).decode(json.loads(text, parse_constant=_no_literal))
    except DAMAGE as error:
        said = str(error) or type(error).__name__
        raise SafeSerializationError(
            f"unreadable: {said[:200]}.", "It was damaged, or not written by safe_dumps."
        ) from None


def _no_literal(word: str):
    raise ValueError(f"{word} is not strict JSON")


def float_out(value: float) -> float | str:
    """A float as JSON: itself, or a text when it is not finite."""
    if math.isfinite(value):
        return value
    if math.isinf(value):
        return "inf" if value > 0 else "-inf"
    bits = struct.unpack("<Q", struct.pack("<d", value))[0]
    return "nan" if bits == _PLAIN_NAN else f"nan:{bits:016x}"


def float_in(value: float | str) -> float:
    """Inverse of `float_out`."""
    if isinstance(value, str) and value.startswith("nan:"):
        return struct.unpack("<d", struct.pack("<Q", int(value[4:], 16)))[0]
    return float(value)


class Codec:
    """How values become JSON-safe objects and come back.

    Parameters
    ----------
    compact : bool
        Long arrays in base64, and NumPy scalars with their dtype; else what people like to read:
        numbers.
    """

    def __init__(self, compact: bool = False):
        self.compact = compact

    # -- out ---------------------------------------------------------------------------------

    def encode(self, value: Any, level: int = 0) -> Any:
        """Turn a value into JSON-safe objects.

        Raises
        ------
        TypeError
            For a type that has no exact JSON form here.
        """
        if level > _DEEPEST:
            raise ValueError(f"more than {_DEEPEST} levels inside each other")
        if isinstance(value, np.generic):
            if self.compact:
                return {"$scalar": self._array_out(np.asarray(value), level)}
            if not isinstance(value, (np.datetime64, np.timedelta64, np.longdouble)):
                value = value.item()
        if value is None or isinstance(value, (bool, int, str)):
            return value
        if isinstance(value, float):
            out = float_out(float(value))
            return {"$float": out} if isinstance(out, str) else out
        if isinstance(value, complex):
            return {"$complex": [float_out(value.real), float_out(value.imag)]}
        if isinstance(value, np.ma.MaskedArray):
            raise TypeError("a masked array cannot be stored as JSON: its mask would be lost")
        if isinstance(value, (np.ndarray, np.generic)):
            return self._array_out(np.asarray(value), level)
        return self._container_out(value, level + 1)

    def _container_out(self, value: Any, level: int) -> Any:
        if isinstance(value, bytes):
            return {"$bytes": base64.b64encode(value).decode("ascii")}
        if isinstance(value, (tuple, list)):
            tag = "$tuple" if isinstance(value, tuple) else "$list"
            return {tag: [self.encode(v, level) for v in value]}
        if isinstance(value, (set, frozenset)):
            tag = "$set" if isinstance(value, set) else "$frozenset"
            return {tag: sorted((self.encode(v, level) for v in value), key=json.dumps)}
        if isinstance(value, Mapping):
            pairs = value.items()  # iterating a CurveFitResult gives its pair, not its names
            if all(type(k) is str and not k.startswith("$") for k, _ in pairs):
                return {k: self.encode(v, level) for k, v in pairs}
            return {"$map": [[self.encode(k, level), self.encode(v, level)] for k, v in pairs]}
        return self.other_out(value, level)

    def other_out(self, value: Any, level: int) -> Any:
        """What a user of this class stores beyond the values above."""
        if hasattr(value, "__array__"):  # a JAX array, a pandas Index
            return self._array_out(np.asarray(value), level)
        raise TypeError(f"a value of type {type(value).__name__} cannot be stored as JSON")

    def _array_out(self, array: np.ndarray, level: int) -> Any:
        kind, shape = array.dtype.kind, list(array.shape)
        if kind == "T":
            return {"$array": array.ravel().tolist(), "dtype": "T", "shape": shape}
        plain = array.dtype.newbyteorder("<")
        packed = self.compact and kind in "biufcmM" and array.size >= _COMPACT_FROM
        if array.dtype == np.float64 and array.ndim and array.size and not packed:
            return _nested_floats(array)
        head = {"dtype": plain.str, "shape": shape}
        flat = np.ascontiguousarray(array).reshape(-1)
        if packed or kind in "mMS" or (kind in "fc" and array.dtype.itemsize not in _WRITTEN[kind]):
            raw = flat.astype(plain).tobytes()
            return {"$array": base64.b64encode(raw).decode("ascii"), **head}
        if kind in "fc":
            parts = flat.astype(array.dtype.newbyteorder("=")).view(np.float64)
            return {"$array": [float_out(v) for v in parts.tolist()], **head}
        if kind in "biuU":
            if kind == "U":
                _affordable(plain, flat.size)
            return {"$array": flat.tolist(), **head}
        if kind == "O":
            items = [self.encode(v, level + 1) for v in flat.tolist()]
            return {"$array": items, "dtype": "object", "shape": shape}
        raise TypeError(f"an array of dtype {array.dtype} cannot be stored as JSON")

    # -- in ----------------------------------------------------------------------------------

    def decode(self, value: Any, level: int = 0) -> Any:
        """Inverse of `encode`.

        Raises
        ------
        ValueError
            For what `encode` does not write (or TypeError, LookupError...).
        """
        if level > _DEEPEST + 1:
            raise ValueError(f"more than {_DEEPEST} levels inside each other")
        if isinstance(value, list):
            return _floats_in(value)
        if not isinstance(value, dict):
            return value
        tag = next(iter(value), "")
        if not tag.startswith("$"):
            return {k: self.decode(v, level + 1) for k, v in value.items()}
        body = value[tag]
        if tag == "$array":
            return self._array_in(value, level + 1)
        if tag == "$float":
            return float_in(body)
        if tag == "$complex":
            return complex(float_in(body[0]), float_in(body[1]))
        if tag == "$bytes":
            return base64.b64decode(body, validate=True)
        if tag == "$scalar":
            return self._array_in(body, level + 1)[()]
        if tag in _CONTAINERS:
            return _CONTAINERS[tag](self.decode(v, level + 1) for v in body)
        if tag == "$map":
            return {self.decode(k, level + 1): self.decode(v, level + 1) for k, v in body}
        return self.other_in(tag, value, level + 1)

    def other_in(self, tag: str, value: dict, level: int) -> Any:
        """Inverse of `other_out`."""
        raise ValueError(f"unknown tag {tag!r}: the text was written by a newer version")

    def _array_in(self, tag: Mapping[str, Any], level: int) -> np.ndarray:
        data, shape, name = tag["$array"], tag["shape"], tag["dtype"]
        if not _DTYPE.fullmatch(name):
            raise ValueError(f"no arrays of dtype {name!r:.40} are stored")
        if not all(type(n) is int and n >= 0 for n in shape):
            raise ValueError(f"{shape!r:.40} is no shape")
        if name == "object":
            out = np.empty(len(data), dtype=object)
            for i, item in enumerate(data):
                out[i] = self.decode(item, level)
            return out.reshape(shape)
        if name == "T":
            return np.array([_text(v) for v in data], dtype=np.dtypes.StringDType()).reshape(shape)
        dtype = np.dtype(name)
        if isinstance(data, str):
            raw = base64.b64decode(data, validate=True)
            return np.frombuffer(raw, dtype).astype(dtype.newbyteorder("=")).reshape(shape)
        if dtype.kind in "fc":
            parts = np.array([float_in(v) for v in data], dtype=np.float64)
            return parts.view(dtype.newbyteorder("=")).reshape(shape)
        if dtype.kind == "U":
            _affordable(dtype, len(data))
            data = [_text(v) for v in data]
        elif not all(type(v) in (int, bool) for v in data):
            raise ValueError(f"an array of dtype {name} holds something else")
        return np.array(data, dtype=dtype.newbyteorder("=")).reshape(shape)


_CONTAINERS = {"$tuple": tuple, "$list": list, "$set": set, "$frozenset": frozenset}
_WRITTEN = {"f": (8,), "c": (16,)}  # float64 and complex128, as numbers


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{value!r:.40} is no text")
    return value


def _affordable(dtype: np.dtype, size: int) -> None:
    """Refuse texts in much wider fields than they need: a short line could fill the memory."""
    if dtype.itemsize * size > _FREE_BYTES:
        raise ValueError(f"{size} texts of dtype {dtype} are too wide; make it an object array")


def _nested_floats(array: np.ndarray) -> Any:
    if np.isfinite(array).all():
        return array.tolist()
    if array.ndim == 1:
        return [float_out(v) for v in array.tolist()]
    return [_nested_floats(row) for row in array]


def _floats_in(data: list) -> np.ndarray:
    flat, shape, level = data, [], data
    while isinstance(level, list):
        shape.append(len(level))
        level = level[0] if level else None
    for _ in shape[1:]:
        flat = [v for row in flat for v in row]
    return np.array([float_in(v) for v in flat], dtype=np.float64).reshape(shape)
