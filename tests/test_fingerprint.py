"""A model is recognised in another process, and a changed one is not."""

import collections
import copy
import math
import sys
import threading

import numpy as np
import pytest
import scipy.spatial._qhull
import scipy.special._comb

from nlsq.core.model.identity.fingerprint import fingerprint
from nlsq.core.model.identity.walk import model_key
from tests.test_checkpoint import run

MODELS = """
import collections, dataclasses, functools, math, operator, sys, types
import numpy as np
import scipy.special
from scipy.special import erf

CHANGED = sys.argv[1].split(",")
K = 3.0 if "global" in CHANGED else 2.0

SHARED = (1.0, ("x", "y"))

def closure(value):
    return lambda x, a: a * x * value

def by_name(x, a):
    return a * np.exp(-x) * K

def with_set(x, a, kind="b"):
    return a * x if kind in {"b", "c", "ddd", 7, None} else by_name(x, a)

def with_other_set(x, a, kind="b"):
    return a * x if kind in {"b", "c", "dde", 7, None} else by_name(x, a)

for number, name in enumerate(("one", "two", "three", "four")):
    sys.modules[name] = types.ModuleType(name)
    sys.modules[name].value = number

def importing(x, a):
    import one, two, three, four
    return a * x * (one.value + two.value * three.value - four.value)

def power(x, a, p, unit="s"):
    return a * x**p

@dataclasses.dataclass
class Decay:
    rate: float
    names: frozenset = frozenset(("alpha", "beta", "gamma"))

    def model(self, x, a):
        return a * np.exp(-self.rate * x)

@dataclasses.dataclass(slots=True)
class Slotted:
    inner: object

    def __call__(self, x, a):
        return self.inner(x, a)

Pair = collections.namedtuple("Pair", "first second")

models = {
    "lambda": lambda x, a: a * x + 1,
    "constant": (lambda x, a: a * x + 3) if "constant" in CHANGED else lambda x, a: a * x + 2,
    "array": closure(np.arange(5.0)),
    "value": closure(2.5 if "value" in CHANGED else 1.5),
    "ufunc": lambda x, a: np.exp(-a * x),
    "ufunc itself": np.exp,
    "special": lambda x, a: scipy.special.gammaln(a * x) * erf(x),
    "special itself": scipy.special.erfc,
    "builtin": closure((math.sin, operator.add, len, np.mean, np.float64, dict.fromkeys)),
    "set constant": with_other_set if "set constant" in CHANGED else with_set,
    "imports": importing,
    "sets": closure({"one", "two", ("three", 3)}),
    "set of functions": closure(frozenset((by_name, np.exp, math.sin, power, with_set))),
    "shared in a set": closure({(name, SHARED) for name in "abcdef"}),
    "dict": closure({"one": [1, 2.5, 3j, None, ...], b"two": slice(1, None)}),
    "partial": functools.partial(power, p=3 if "partial" in CHANGED else 2),
    "method": Decay(0.7 if "method" in CHANGED else 0.5).model,
    "slots": Slotted(by_name),
    "tuple": closure(Pair(1, "two")),
    "deque": closure(collections.deque([1, "two"])),
    "global": by_name,
    "vectorized": np.vectorize(by_name),
    "date": closure(np.array(["2020-01-01"], "M8[D]")),
}
from nlsq.core.model.identity.fingerprint import fingerprint
from nlsq.core.model.identity.walk import model_key
for name, model in models.items():
    print(name, fingerprint(model_key(model)), sep=":")
"""


@pytest.fixture(scope="module")
def fingerprints(tmp_path_factory):
    """Fingerprints of MODELS in another process, by name."""

    def of(changed="", seed="0", lines=0):
        script = tmp_path_factory.mktemp("models") / f"script{lines}.py"
        script.write_text("\n" * lines + MODELS)
        source = "import runpy, sys; runpy.run_path(sys.argv[2], run_name='__main__')"
        output = run(source, changed, script, PYTHONHASHSEED=seed)
        return dict(line.split(":") for line in output.splitlines())

    first = of()
    return first, of


@pytest.mark.core
def test_a_fingerprint_is_the_same_in_every_process(fingerprints):
    first, of = fingerprints
    assert "None" not in first.values()
    assert len(set(first.values())) == len(first)
    for seed, lines in (("1", 0), ("2", 3), ("random", 7)):
        assert of(seed=seed, lines=lines) == first


@pytest.mark.core
@pytest.mark.parametrize(
    ("changed", "follow"),
    [
        (["constant", "value", "set constant", "partial", "method"], []),
        (["global"], ["set constant", "set of functions", "slots", "vectorized"]),
    ],
    ids=["own", "global"],
)
def test_a_fingerprint_changes_with_what_the_model_reads(fingerprints, changed, follow):
    first, of = fingerprints
    now = of(",".join(changed))
    assert {name for name in first if first[name] != now[name]} == {*changed, *follow}


@pytest.mark.core
def test_what_another_process_cannot_recognise_has_no_fingerprint():
    def reading(thing):
        return lambda x, a: a * x * thing

    for thing in (threading.Lock(), np.random.default_rng(0), iter([1.0])):
        assert fingerprint(model_key(reading(thing))) is None
    ufunc = np.frompyfunc(lambda v: v + 1, 1, 1)
    for thing in ([1.0, "a"], ufunc, collections.deque([{"a", "b"}])):
        assert fingerprint(model_key(reading(thing))) is not None


@pytest.mark.core
def test_equal_keys_have_equal_fingerprints_and_others_do_not():
    things = [
        (), ((),), [], {}, set(), frozenset(), "", b"", 0, 0.0, -0.0, False, None, ..., 1, True,
        1.0, 1j, "1", b"1", (1, 2), ((1,), 2), (1, (2,)), [1, 2], "12", ("1", "2"), ("12",),
        np.float64(1), np.ones(1), np.ones((1, 1)), np.ones(1, "f4"), np.exp, np.sin, math.sin,
        float, np.float64, 2**80, -(2**80), {1: 2}, {2: 1}, {1}, {1, 2}, {(1, 2)},
    ]  # fmt: skip
    marks = [fingerprint(model_key(thing)) for thing in things]
    assert None not in marks and len(set(marks)) == len(things)
    assert marks == [fingerprint(model_key(copy.copy(thing))) for thing in things]


@pytest.mark.core
def test_a_function_held_by_name_counts_by_what_it_does():
    """A pickle names functions only: other code or another global must not go unnoticed."""
    before = model_key(Holder(reads_factor)), fingerprint(model_key(Holder(reads_factor)))
    assert before[0] == model_key(Holder(reads_factor))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys.modules[__name__], "FACTOR", 3.0)
        after = model_key(Holder(reads_factor)), fingerprint(model_key(Holder(reads_factor)))
    assert before[0] != after[0] and before[1] != after[1]


FACTOR = 2.0


def reads_factor(x, a):
    return a * x * FACTOR


class Holder:
    __slots__ = ("inner",)

    def __init__(self, inner):
        self.inner = inner

    def __call__(self, x, a):
        return self.inner(x, a)


@pytest.mark.core
def test_compiled_functions_differ():
    names = ("_comb_int",), ("tsearch", "_get_barycentric_transforms")
    modules = scipy.special._comb, scipy.spatial._qhull
    found = [getattr(m, n) for m, inner in zip(modules, names, strict=True) for n in inner]
    keys = [model_key(function) for function in found]
    assert len(set(keys)) == len(found)
    assert keys == [model_key(function) for function in found]
