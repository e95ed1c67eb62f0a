"""What goes over the pipe between a process and its confined child: JSON, and arrays as they are.

A frame is two lengths of eight bytes, the JSON by `safe_serialize`, and one block with the bytes of
all long arrays, which the JSON names by dtype, shape and place. So arrays are neither written as
text nor copied, and whatever a stranger sends becomes numbers or is refused.
"""

from __future__ import annotations

import json
import math
import os
import re
import struct
from typing import Any

import numpy as np

from nlsq.utils.safe_serialize import DAMAGE, Codec, SafeSerializationError

_ALIGNMENT = 64
_MOST_AT_ONCE = 1 << 30  # bytes; macOS refuses to read 2 GiB
_SHORT = 64  # values up to which an array is written as JSON
_NUMBERS = re.compile(r"[<|][biufc]\d{1,2}\Z")


class _Parting(Codec):
    """Long arrays of numbers go to a block beside the JSON."""

    def __init__(self, block: bytearray | None = None):
        super().__init__(compact=True)
        self.arrays: list[np.ndarray] = []
        self.length, self._block = 0, block

    def _array_out(self, array: np.ndarray, level: int) -> Any:
        dtype = array.dtype.newbyteorder("<")
        if array.size <= _SHORT or not _NUMBERS.match(dtype.str):
            return super()._array_out(array, level)
        place = self.length + -self.length % _ALIGNMENT
        self.arrays.append(np.ascontiguousarray(array, dtype))
        self.length = place + array.nbytes
        return {"$raw": place, "dtype": dtype.str, "shape": list(array.shape)}

    def other_in(self, tag: str, value: dict, level: int) -> Any:
        if tag != "$raw" or self._block is None:
            return super().other_in(tag, value, level)
        name, shape = value["dtype"], value["shape"]
        if not _NUMBERS.match(name) or not all(type(n) is int and n >= 0 for n in shape):
            raise ValueError(f"no numbers of dtype {name!r:.40} and shape {shape!r:.40}")
        flat = np.frombuffer(self._block, np.dtype(name), math.prod(shape), value[tag])
        return flat.reshape(shape)


class Frame:
    """A value ready to be sent.

    Raises
    ------
    SafeSerializationError
        For a type that does not travel.
    """

    def __init__(self, value: Any):
        parting = _Parting()
        try:
            self._text = json.dumps(parting.encode(value), allow_nan=False).encode("ascii")
        except TypeError as error:
            raise SafeSerializationError(f"{error}.", "Convert it first.") from None
        except (RecursionError, ValueError) as error:
            raise SafeSerializationError(f"the value cannot be sent: {error}.") from None
        self._arrays, self._length = parting.arrays, parting.length

    def send(self, descriptor: int) -> None:
        """Write it."""
        _write(descriptor, struct.pack("<QQ", len(self._text), self._length))
        _write(descriptor, self._text)
        done = 0
        for array in self._arrays:
            room = -done % _ALIGNMENT
            _write(descriptor, bytes(room))
            _write(descriptor, array.reshape(-1).view(np.uint8).data)
            done += room + array.nbytes


def receive(descriptor: int, most: int) -> Any:
    """Read one frame of at most `most` bytes.

    Raises
    ------
    EOFError
        If the other end closes before the frame is complete.
    SafeSerializationError
        If the frame is longer, damaged or forged.
    """
    lengths = []
    for _ in range(2):
        lengths.append(struct.unpack("<Q", _exactly(descriptor, 8))[0])
        if sum(lengths) > most:
            raise SafeSerializationError(f"a frame of {sum(lengths)} bytes, more than {most}.")
    text, block = (_exactly(descriptor, length) for length in lengths)
    try:
        return _Parting(block).decode(json.loads(text.decode("ascii"), parse_constant=_refuse))
    except DAMAGE as error:
        said = str(error) or type(error).__name__
        raise SafeSerializationError(f"unreadable: {said[:200]}.") from None


def _refuse(word: str):
    raise ValueError(f"{word} is not strict JSON")


def _write(descriptor: int, data: Any) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view[: 1 << 20]) :]


def _exactly(descriptor: int, length: int) -> bytearray:
    data, done = bytearray(length), 0  # zeros take no memory until they are written to
    view = memoryview(data)
    while done < length:
        if hasattr(os, "readv"):
            count = os.readv(descriptor, [view[done : done + _MOST_AT_ONCE]])
        else:
            part = os.read(descriptor, min(length - done, 1 << 20))
            count = len(part)
            view[done : done + count] = part
        if not count:
            raise EOFError("the other process closed the pipe")
        done += count
    return data
