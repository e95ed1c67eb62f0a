"""What an object holds, read without running any code of its class.

The instance dictionary and the slots are read through the descriptors that Python itself made, and
what a built-in base class keeps in C through that base's own methods. A class whose instances have
more room than these account for keeps something in C that nobody can see.
"""

from __future__ import annotations

import array
import collections
import datetime
import decimal
import functools
import gc
import operator
import pickle
import re
import types
import weakref
from _abc import _get_dump
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import numpy as np

from nlsq.core.model.identity.ownership import HEAP, class_fact, is_library_class


def _nothing(thing) -> tuple:
    """Of a class whose members (`partial.func`, `slice.start`) are all there is."""
    return ()


def _ordered(thing) -> list:
    pairs = dict.items(thing)
    if {type(key) for key, _ in pairs} <= {str, int, float, bytes, bool}:
        pairs = collections.OrderedDict.items(thing)  # in its own order; compares keys
    else:
        raise TypeError("keys of the user's own classes")
    return [part for pair in pairs for part in pair]


def _reduced(base: type) -> Callable:
    """By `__reduce__` of a built-in class, which runs nobody's code."""
    reduce = base.__dict__["__reduce__"]

    def read(thing):
        maker, arguments = reduce(thing)[:2]
        return (None if isinstance(maker, type) else maker, *arguments)

    return read


def _decimal(thing) -> tuple:
    sign, digits, exponent = decimal.Decimal.as_tuple(thing)
    context = decimal.getcontext()  # by which its sums are rounded
    return sign, "".join(map(str, digits)), exponent, context.prec, context.rounding


def _number(thing) -> tuple:
    dtype = np.generic.dtype.__get__(thing)
    if dtype.hasobject:
        raise TypeError("a record that holds Python objects")
    return np.generic.tobytes(thing), dtype


def _cell(thing) -> tuple:
    try:
        return (thing.cell_contents,)
    except ValueError:  # not bound yet
        return ()


_tuplegetter = type(collections.namedtuple("_Pair", "one").one)
# By built-in base: what its instances hold in C.
_BASES: dict[type, Callable[[Any], Iterable]] = {
    object: _nothing,
    int: lambda t: (int.__index__(t),),
    float: lambda t: (float.hex(t),),
    complex: lambda t: (complex.real.__get__(t), complex.imag.__get__(t)),
    str: lambda t: (str.__str__(t),),
    bytes: lambda t: (bytes.__add__(b"", t),),
    bytearray: lambda t: (bytes(bytearray.__getitem__(t, slice(None))),),
    tuple: tuple.__iter__,
    list: list.__iter__,
    set: lambda t: (set(set.__iter__(t)),),
    frozenset: lambda t: (frozenset(frozenset.__iter__(t)),),
    dict: lambda t: [part for pair in dict.items(t) for part in pair],
    collections.OrderedDict: _ordered,
    collections.deque: lambda t: (
        collections.deque.maxlen.__get__(t), *collections.deque.__iter__(t),
    ),
    array.array: lambda t: (array.array.typecode.__get__(t), array.array.tobytes(t)),
    memoryview: lambda t: (t.tobytes(), t.format, t.shape),
    decimal.Decimal: _decimal,
    datetime.date: _reduced(datetime.date),
    datetime.datetime: lambda t: datetime.datetime.__reduce_ex__(t, 4)[1],
    datetime.time: lambda t: datetime.time.__reduce_ex__(t, 4)[1],
    datetime.timedelta: _reduced(datetime.timedelta),
    datetime.timezone: lambda t: datetime.timezone.__getinitargs__(t),
    np.ndarray: lambda t: (np.ndarray.view(t, np.ndarray),),
    np.generic: _number,
    np.dtype: lambda t: (repr(t), t.str, t.metadata and dict(t.metadata)),
    range: _nothing,
    slice: _nothing,
    property: _nothing,
    staticmethod: _nothing,
    classmethod: _nothing,
    functools.partial: _nothing,
    types.SimpleNamespace: _nothing,
    types.GenericAlias: lambda t: (t.__origin__, t.__args__),
    types.UnionType: lambda t: t.__args__,
    types.CellType: _cell,
    types.MappingProxyType: gc.get_referents,  # the mapping itself, which may be a user's class
    type({}.keys()): gc.get_referents,
    type({}.values()): gc.get_referents,
    type({}.items()): gc.get_referents,
    weakref.ref: lambda t: (weakref.ref.__call__(t),),
    re.Pattern: _nothing,
    operator.itemgetter: _reduced(operator.itemgetter),
    operator.attrgetter: _reduced(operator.attrgetter),
    operator.methodcaller: _reduced(operator.methodcaller),
    _tuplegetter: _reduced(_tuplegetter),
}  # fmt: skip
_HELD = {id(base): held for base, held in _BASES.items()}  # a user's metaclass may define hash


class Layout(NamedTuple):
    """Where the instances of a class keep what they hold.

    Attributes
    ----------
    held : callable
        What a built-in base holds in C, as values.
    members : tuple of (str, descriptor)
        Slots, those of the built-in base too.
    dictionary : descriptor or None
    lazy : frozenset of str
        Names under which the class keeps what it worked out (`cached_property`).
    """

    held: Callable[[Any], Iterable]
    members: tuple[tuple[str, Any], ...]
    dictionary: Any
    lazy: frozenset[str]

    def slots(self, thing) -> list[tuple[str, Any]]:
        """Names and values of the slots that are set."""
        found = []
        for name, descriptor in self.members:
            try:
                found.append((name, descriptor.__get__(thing)))
            except AttributeError:
                continue
        return found

    def state(self, thing) -> list[tuple[str, Any]]:
        """Names and values of the instance dictionary."""
        held = None if self.dictionary is None else self.dictionary.__get__(thing)
        return [] if held is None else list(dict.items(held))


_layouts: dict[int, tuple[weakref.ref, Layout | None]] = {}


def layout(kind: type) -> Layout | None:
    """How to read instances of a class; None where some of it is kept in C, out of sight."""
    known = _layouts.get(id(kind))
    if known is not None and known[0]() is kind:
        return known[1]
    number, found = id(kind), _layout(kind)
    _layouts[number] = (weakref.ref(kind, lambda _: _layouts.pop(number, None)), found)
    return found


def _layout(kind: type) -> Layout | None:
    mro = class_fact(kind, "__mro__")
    place = next(i for i, c in enumerate(mro) if id(c) in _HELD)
    known = mro[place]
    if known is np.generic or known is np.dtype:  # NumPy's own classes below hold a number each
        place = next(i for i, c in enumerate(mro) if not class_fact(c, "__flags__") & HEAP)
    members, slots, dictionary, lazy = [], 0, None, set()
    for level, cls in enumerate(mro[:-1]):
        for name, descriptor in class_fact(cls, "__dict__").items():
            if type(descriptor) is types.MemberDescriptorType and name not in _LAYOUT_WORDS:
                members.append((name, descriptor))
                slots += level < place
            elif name == "__dict__" and dictionary is None and type(descriptor) in _DICTIONARY:
                dictionary = descriptor
            elif class_fact(type(descriptor), "__name__") in _LAZY:
                lazy.add(name)
    base = mro[place]
    slots = 0 if base.__itemsize__ else slots  # those of `sys.float_info` are its elements
    room = class_fact(kind, "__basicsize__") - base.__basicsize__ - 8 * slots
    if not 0 <= room <= _pointers(kind, base):
        return None
    return Layout(_HELD[id(known)], tuple(members), dictionary, frozenset(lazy))


_LAZY = frozenset(("cached_property", "lazyproperty", "reify"))
_LAYOUT_WORDS = frozenset(
    ("__dict__", "__vectorcalloffset__", "__dictoffset__", "__weaklistoffset__")
)
_DICTIONARY = (types.MemberDescriptorType, types.GetSetDescriptorType)


def _pointers(kind: type, base: type) -> int:
    """Bytes that a class added to its built-in base for a dictionary and for weak references."""
    offset, sized = class_fact(kind, "__dictoffset__"), class_fact(kind, "__itemsize__") > 0
    own_dict = not base.__dictoffset__ and (offset > 0 or (offset < 0 and sized))
    own_weak = not base.__weakrefoffset__ and class_fact(kind, "__weakrefoffset__") > 0
    return 8 * (own_dict + own_weak)


def registered(kind: type) -> list[type]:
    """The classes that a user registered with an abstract one of his."""
    if "_abc_impl" not in class_fact(kind, "__dict__"):
        return []
    return [cls for ref in _get_dump(kind)[0] if (cls := ref()) is not None]


def of_ufunc(ufunc: np.ufunc) -> list:
    """The function that `numpy.frompyfunc` made a ufunc of.

    Raises
    ------
    TypeError
        When it is written in C.
    """
    held = gc.get_referents(ufunc)
    if not any(map(callable, held)):
        raise TypeError("a ufunc written in C by neither NumPy nor SciPy")
    return held


class _Pickler(pickle.Pickler):
    """Pickles objects of installed packages only; keeps the functions and classes by name."""

    def __init__(self, limit: float):
        self.named: list = []
        self.buffers: list[pickle.PickleBuffer] = []
        self.parts: list[bytes] = []
        self._left = limit
        super().__init__(self, 5, buffer_callback=self.buffers.append)

    def write(self, part) -> None:
        self._left -= len(part)
        if self._left < 0:
            raise OverflowError("more than may be looked through")
        self.parts.append(bytes(part))

    def reducer_override(self, thing):
        if isinstance(thing, type) or type(thing) is types.FunctionType:
            self.named.append(thing)
        elif not is_library_class(type(thing)):
            raise pickle.PicklingError("an object of the user's own, whose code would run")
        return NotImplemented


def pickled(thing, limit: float) -> list:
    """Content of an object whose package says how, as values: bytes, arrays, what it names.

    Raises
    ------
    Exception
        Of any kind, where it cannot be pickled.
    """
    pickler = _Pickler(limit)
    pickler.dump(thing)
    arrays = [np.frombuffer(buffer.raw(), np.uint8) for buffer in pickler.buffers]
    return [b"".join(pickler.parts), *arrays, *pickler.named]
