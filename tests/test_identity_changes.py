"""One model whose surroundings change: its key has to notice."""

import sys
import types

import pytest

from nlsq.core.identity import model_key

pytestmark = pytest.mark.core
RATE = 1.0


def scaled_by(value):
    return lambda x, a: a * x * value


class Attribute:
    def __init__(self, k):
        self.k = k

    def model(self, x, a):
        return a * x * self.k / 3

    def __call__(self, x, a):
        return a * x * self.k / 5


@pytest.fixture
def module():
    made = types.ModuleType("nlsq_test_constants")
    made.K = 1.0
    made.inner = types.ModuleType("nlsq_test_constants.inner")
    made.inner.K = 1.0
    made.unread = 1.0
    sys.modules[made.__name__] = made
    sys.modules[made.inner.__name__] = made.inner
    yield made
    del sys.modules[made.__name__], sys.modules[made.inner.__name__]


def _from_import_inside(x, a):
    from nlsq_test_constants import K

    return a * x * K


def _import_inside(x, a):
    import nlsq_test_constants

    return a * x * nlsq_test_constants.K


def _changes_key(model, change) -> bool:
    before = model_key(model)
    change()
    return model_key(model) != before


def test_attribute_of_a_users_module(module, monkeypatch):
    monkeypatch.setitem(globals(), "constants", module)
    model = eval("lambda x, a: a * x * constants.K", globals())
    assert _changes_key(model, lambda: setattr(module, "K", 2.0))
    assert not _changes_key(model, lambda: setattr(module, "unread", 2.0))


def test_attribute_of_a_module_inside_a_package(module, monkeypatch):
    monkeypatch.setitem(globals(), "constants", module)
    model = eval("lambda x, a: a * x * constants.inner.K", globals())
    assert _changes_key(model, lambda: setattr(module.inner, "K", 2.0))


def test_attribute_of_a_module_in_a_closure(module):
    model = (lambda constants: lambda x, a: a * x * constants.K)(module)
    assert _changes_key(model, lambda: setattr(module, "K", 2.0))


@pytest.mark.parametrize("model", [_from_import_inside, _import_inside])
def test_module_imported_inside_the_model(module, model):
    assert _changes_key(model, lambda: setattr(module, "K", 2.0))


def test_attribute_of_the_function_itself(monkeypatch):
    def model(x, a):
        return a * x * tuned.k

    model.k = 1.0
    tuned = model
    assert _changes_key(model, lambda: setattr(model, "k", 2.0))


def test_global_looked_up_by_name(monkeypatch):
    monkeypatch.setitem(globals(), "RATE", 1.0)

    def model(x, a):
        return a * x * globals()["RATE"]

    assert _changes_key(model, lambda: monkeypatch.setitem(globals(), "RATE", 5.0))


def test_class_attribute_and_redefined_method():
    class Holder:
        k = 1.0

        @staticmethod
        def plain(x, a):
            return a * x * Holder.k

        @classmethod
        def by_class(cls, x, a):
            return a * x * cls.k

    for model in (Holder.plain, Holder.by_class):
        assert _changes_key(model, lambda: setattr(Holder, "k", Holder.k + 1))
    thing = Attribute(1.0)
    original = Attribute.model
    try:
        assert _changes_key(
            thing.model, lambda: setattr(Attribute, "model", lambda self, x, a: a + x)
        )
    finally:
        Attribute.model = original


def test_class_with_slots_defined_again(monkeypatch):
    """What running a notebook cell again does."""
    source = """
class Cell:
    __slots__ = ("k",)
    def __init__(self):
        self.k = 1.0
    def __call__(self, x, a):
        return a * x * self.k * {factor}
"""
    keys = []
    for factor in (1, 2):
        scope = {"__name__": __name__}
        exec(source.format(factor=factor), scope)
        monkeypatch.setitem(globals(), "Cell", scope["Cell"])
        keys.append(model_key(scope["Cell"]()))
    assert keys[0] != keys[1]


def test_deep_change_of_state():
    thing = Attribute({"inner": [1.0]})
    assert _changes_key(thing, lambda: thing.k["inner"].append(2.0))


def test_nonlocal_change():
    k = 1.0

    def change():
        nonlocal k
        k = 2.0

    assert _changes_key(lambda x, a: a * x * k, change)


def test_recursive_structures_end():
    loop = [1.0]
    loop.append(loop)
    assert _changes_key(scaled_by(loop), lambda: loop.insert(0, 2.0))
