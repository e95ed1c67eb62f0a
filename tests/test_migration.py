"""Both columns of every row of docs/migration.md run and say the same."""

import re
import warnings
from collections.abc import ValuesView

import numpy as np
import pytest

from tests.program import ROOT

PAGE = (ROOT / "docs" / "migration.md").read_text("utf-8")
ROWS = [re.findall(r"`(.+?)`", line) for line in PAGE.splitlines() if line.startswith("| ")]
ROWS = [row for row in ROWS if row]
IN_WORDS = ("param_names", "fit_report", "dumps")  # they only run


@pytest.fixture(scope="module")
def names():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # lmfit's own imports
        found: dict = {}
        exec(re.search(r"```python\n(.*?)```", PAGE, re.S).group(1), found)
    return found


def numbers(value):
    """A result, of whoever's, as a list of arrays."""
    if hasattr(value, "best_values"):  # lmfit's
        return [np.array(list(value.best_values.values())), value.covar]
    if hasattr(value, "popt") or isinstance(value, tuple):
        return [np.asarray(part) for part in value]
    if isinstance(value, dict):
        value = value.values()
    return [np.asarray(list(value) if isinstance(value, ValuesView) else value, float)]


def test_the_page_has_thirty_rows_for_each():
    scipy, lmfit = (part.count("\n| ") - 1 for part in re.split(r"\n## \w+\n", PAGE)[1:])
    assert scipy >= 30 and lmfit >= 30 and len(ROWS) == scipy + lmfit


@pytest.mark.parametrize("theirs, ours", ROWS, ids=[row[0][:60] for row in ROWS])
def test_both_columns_say_the_same(names, theirs, ours):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # lmfit's
        wanted = eval(theirs, names)
    found = eval(ours, names)
    if any(word in theirs for word in IN_WORDS):
        assert len(found) and len(found[0]) and type(wanted) in (str, list)
        return
    wanted, found = numbers(wanted), numbers(found)
    assert len(wanted) == len(found)
    for one, other in zip(wanted, found, strict=True):
        # SciPy and lmfit differentiate by differences and stop at 1e-8
        np.testing.assert_allclose(other, one, rtol=2e-4, atol=1e-6 * np.abs(one).max())
