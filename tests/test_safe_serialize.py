"""JSON of values: every bit and type comes back; text from strangers is an error or a value."""

import json
import math
import struct
import tracemalloc

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from nlsq.utils.safe_serialize import SafeSerializationError, safe_dumps, safe_loads

ANY_FLOAT = st.integers(0, 2**64 - 1).map(lambda i: struct.unpack("<d", struct.pack("<Q", i))[0])
DTYPES = (
    hnp.floating_dtypes()
    | hnp.complex_number_dtypes()
    | hnp.integer_dtypes()
    | hnp.unsigned_integer_dtypes()
    | hnp.boolean_dtypes()
    | hnp.unicode_string_dtypes(max_len=4)
    | hnp.byte_string_dtypes(max_len=4)
    | hnp.datetime64_dtypes()
    | hnp.timedelta64_dtypes()
)
SHAPES = hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=6)
KEYS = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=4)
    | st.just("$array") | st.binary(max_size=4) | st.tuples(st.integers(), st.text(max_size=3))
)  # fmt: skip
VALUES = st.recursive(
    KEYS | ANY_FLOAT | st.builds(complex, ANY_FLOAT, ANY_FLOAT) | hnp.arrays(DTYPES, SHAPES)
    | hnp.arrays(DTYPES, ()).map(lambda a: a[()]) | st.frozensets(KEYS, max_size=4)
    | st.sets(KEYS, max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(KEYS, inner, max_size=3)
    ),
    max_leaves=8,
)  # fmt: skip


def bits(value):
    """A value as something that compares exactly: types, order, shapes and bytes."""
    if isinstance(value, (np.ndarray, np.generic)):
        array = np.asarray(value)
        if array.dtype.kind == "T":
            return array.dtype, array.shape, array.tolist()
        native = array.astype(array.dtype.newbyteorder("="))
        content = native.tolist() if native.dtype.kind in "gOT" else native.tobytes()
        return type(value), native.dtype, array.shape, repr(content)
    if isinstance(value, float):
        return float, struct.pack("<d", value)
    if isinstance(value, complex):
        return complex, struct.pack("<dd", value.real, value.imag)
    if isinstance(value, (list, tuple)):
        return type(value), [bits(v) for v in value]
    if isinstance(value, (set, frozenset)):
        return type(value), sorted(repr(bits(v)) for v in value)
    if isinstance(value, dict):
        return dict, [(bits(k), bits(v)) for k, v in value.items()]
    return type(value), value


@given(VALUES)
@example({1: "int", "1": "text", 1.5: 0})
@example(np.array([[-0.0, math.nan, math.inf]] * 100))
@example(np.arange(200, dtype=">i2").reshape(2, 100)[:, ::-2].T)
def test_every_bit_comes_back(value):
    text = safe_dumps(value)
    json.loads(text, parse_constant=pytest.fail)
    assert text.isascii()
    assert bits(safe_loads(text)) == bits(value)


@pytest.mark.parametrize(
    "value",
    [
        np.array(["a", "longer text"], dtype=np.dtypes.StringDType()),
        np.array([None, "a", 1], dtype=object),
        np.longdouble(1) / 3,
        np.array([np.longdouble(2) / 3] * 99),
        np.zeros((0, 5), dtype="<f4"),
        np.datetime64("2024-02-29T12:00:00.000000001"),
        np.array(["NaT", "2024-01-01"], dtype="datetime64[25us]"),
        [np.bool_(True), True, np.int8(-3), -3, np.str_("a"), "a", np.bytes_(b"a"), b"a"],
    ],
)
def test_unusual_values(value):
    assert bits(safe_loads(safe_dumps(value))) == bits(value)


@pytest.mark.parametrize(
    "value", [print, object(), np.ma.masked_array([1.0]), type, {1: [lambda: 0]}, np.dtype("f8"),
              np.zeros(1, dtype=[("a", "f8")]), np.zeros(2, "V8"), np.zeros(9, "U9999999"),
              10**5000, range(3)], ids=lambda v: type(v).__name__
)  # fmt: skip
def test_what_has_no_exact_form_is_refused(value):
    with pytest.raises(SafeSerializationError):
        safe_dumps(value)


def test_deep_values_and_rings_are_refused():
    ring: list = []
    ring.append(ring)
    deep: list = []
    for _ in range(100_000):
        deep = [deep]
    for value in (ring, deep):
        with pytest.raises(SafeSerializationError):
            safe_dumps(value)
    while deep:  # or its end would use the stack
        deep = deep.pop()


HOSTILE = [
    "",
    "{",
    "nope",
    "NaN",
    "[Infinity]",
    "[1, NaN]",
    "9" * 5000,
    "[" * 100_000,
    '{"a":' * 100_000,
    '{"$tuple": [' * 5000 + "]}" * 5000,
    '{"$list": [' * 500 + "]}" * 500,
    '{"$pickle": "gASV"}',
    '{"$": 1}',
    '{"$object": 1}',
    '{"$record": {}, "name": "x"}',
    '{"$function": "os.system"}',
    '{"$frame": [], "index": 1}',
    '{"$array": []}',
    '{"$map": [1]}',
    '{"$array": [], "dtype": "<f8"}',
    '{"$array": [1], "dtype": "<f8", "shape": [2]}',
    '{"$array": [1], "dtype": "<f8", "shape": [-1]}',
    '{"$array": [1], "dtype": "<f8", "shape": [1, true]}',
    '{"$array": [1], "dtype": "<f8", "shape": "1"}',
    '{"$array": 1, "dtype": "<f8", "shape": [1]}',
    '{"$array": [1], "dtype": "O", "shape": [1]}',
    '{"$array": "AA==", "dtype": "O", "shape": [1]}',
    '{"$array": "AAAAAAAAAAA=", "dtype": "|O8", "shape": [1]}',
    '{"$array": "AAAAAAAAAAA=", "dtype": "V8", "shape": [1]}',
    '{"$array": "AAAAAAAAAAA=", "dtype": "f8,f8", "shape": [1]}',
    '{"$array": "AAAAAAAAAAA=", "dtype": "<f8", "shape": [1000000000000]}',
    '{"$array": "!!!!", "dtype": "<f8", "shape": [0]}',
    '{"$array": "AA", "dtype": "<f8", "shape": []}',
    '{"$array": [""], "dtype": "<U100000000", "shape": [1]}',
    '{"$array": [""], "dtype": "<U999999999", "shape": [1]}',
    '{"$array": ["a"], "dtype": "<S99999999999", "shape": [1]}',
    '{"$array": [[]], "dtype": "<i8", "shape": [1]}',
    '{"$array": ["1"], "dtype": "<i8", "shape": [1]}',
    '{"$array": [300], "dtype": "|u1", "shape": [1]}',
    '{"$array": [1e400], "dtype": "<f4", "shape": [1]}',
    '{"$array": [1.5], "dtype": "<i8", "shape": [1]}',
    '{"$array": [{}], "dtype": "<U1", "shape": [1]}',
    '{"$array": [], "dtype": "<f8", "shape": [0, 99999999999999999999]}',
    '{"$scalar": 1}',
    '{"$scalar": {"$map": []}}',
    '{"$float": []}',
    '{"$float": "nan:zz"}',
    '{"$complex": [1]}',
    '{"$bytes": "*"}',
    '{"$bytes": 1}',
    '{"$set": [{"$list": []}]}',
    '{"$map": [[{"$list": []}, 1]]}',
    '{"$map": {"ab": 1, "cd": 2}, "x": 1}x',
    "[[1], [1, 2]]",
    '["x"]',
    "[[[1]], [1]]",
    '{"$tuple": 5}',
    "[" + "[" * 80 + "1" + "]" * 80 + "]",
]


@pytest.mark.parametrize("text", HOSTILE, ids=lambda t: t[:40])
def test_hostile_text_is_refused_without_much_memory(text):
    tracemalloc.start()
    try:
        with pytest.raises(SafeSerializationError):
            safe_loads(text)
        assert tracemalloc.get_traced_memory()[1] < 60e6
    finally:
        tracemalloc.stop()


@given(st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
    | st.sampled_from(["<f8", "|u1", "nan:1", "object", "T", "AAAA", "<U3"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["$array", "dtype", "shape", "$map", "$tuple", "$set", "$float",
                         "$complex", "$scalar", "$bytes", "$frozenset", "a"]), inner, max_size=3),
))  # fmt: skip
def test_any_json_is_a_value_or_refused(data):
    try:
        safe_loads(json.dumps(data))
    except SafeSerializationError as error:
        assert str(error)


def test_long_arrays_are_compact():
    x = np.random.default_rng(0).normal(size=10_000)
    assert len(safe_dumps(x)) < 11 * x.size
    assert safe_dumps(np.array([1.5, np.nan])) == '[1.5, "nan"]'
