"""A model is what it does: a value it reads that changes makes it another model.

The danger is a compiled program that outlives the value it was traced with, so every way of
changing a model is tried on the key; `test_identity_fits` tries the common ones on real fits.
"""

import numpy as np
import pytest

from nlsq.core.model.identity.walk import model_key
from tests.identity_models import DIFFERENT, SHARED, scaled_by

pytestmark = pytest.mark.core


@pytest.mark.parametrize("kind", DIFFERENT)
def test_models_that_differ_in_one_value_never_share(kind):
    make = DIFFERENT[kind]
    one, other = make(1.0), make(2.0)
    keys = model_key(one), model_key(other)
    assert keys[0] != keys[1]
    assert keys == (model_key(one), model_key(other))  # each is shared with itself


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (0.0, -0.0),
        (1, 1.0),
        (1, True),
        (1.0, np.float64(1)),
        ("1", 1),
        (b"1", "1"),
        ((1,), [1]),
        ([1] * 50, [1.0] * 50),
        ([1] * 50, (1,) * 50),
        ([1] * 50, [True] * 50),
        ([0.0] * 50, [-0.0] * 50),
        ([2**80] * 50, [2**81] * 50),
        ("a" * 10**5, b"a" * 10**5),
        ([-1, *[2**63] * 40], [-1, *[2**63 + 1] * 40]),
        (np.ones((2, 3)), np.ones((2, 3)).T),
    ],
    ids=lambda value: repr(value)[:12],
)
def test_values_that_compare_equal_but_act_otherwise_never_share(one, other):
    assert model_key(scaled_by(one)) != model_key(scaled_by(other))


def test_other_code_never_shares():
    assert model_key(lambda x, a: a * x + 1) != model_key(lambda x, a: a * x - 1)
    assert model_key(lambda x, a: a * x + 1) != model_key(lambda x, a: a * x + 1.0)
    assert model_key(lambda x, a: np.sin(a * x)) != model_key(lambda x, a: np.cos(a * x))
    assert model_key(np.sin) != model_key(np.cos)


# ----------------------------------------------------------------------- models that must share


def test_equal_lambdas_on_different_lines_share():
    one = lambda x, a, b: a * np.exp(-b * x)  # noqa: E731
    two = lambda x, a, b: a * np.exp(-b * x)  # noqa: E731
    assert one.__code__.co_firstlineno != two.__code__.co_firstlineno
    assert model_key(one) == model_key(two)
    assert hash(model_key(one)) == hash(model_key(two))


@pytest.mark.parametrize("kind", SHARED)
def test_models_equal_by_content_share(kind):
    make = SHARED[kind]
    assert model_key(make()) == model_key(make())
    assert hash(model_key(make())) == hash(model_key(make()))


def test_classes_side_by_side_keep_their_own_contents():
    """Tables made while a key is made are gone when the next begins; its address may be theirs."""

    def pair(factor):
        class First:
            def value(self, x):
                return x + 1.0

        class Second:
            def value(self, x):
                return x * factor

        return First, Second

    assert model_key(pair(2.0)) == model_key(pair(2.0))
    assert model_key(pair(2.0)) != model_key(pair(3.0))
