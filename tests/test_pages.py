"""The pages of docs and examples run and show what they say.

Of docs/migration.md both columns of each row say the same; of a page in examples/ each block of
code is followed by what it prints.
"""

import contextlib
import doctest
import io
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


PAGES = [*sorted(ROOT.glob("examples/*.md")), ROOT / "docs" / "names.md"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_shows_what_its_code_prints(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = page.read_text("utf-8")
    blocks = re.findall(r"```python\n(.*?)```\n(?:\n```text\n(.*?)```\n)?", text, re.S)
    found: dict = {}
    for code, wanted in blocks:
        out = io.TextIOWrapper(io.BytesIO(), "utf-8")
        with contextlib.redirect_stdout(out):
            exec(compile(code, page.name, "exec"), found)
        out.seek(0)
        printed = out.read()
        same = doctest.OutputChecker().check_output(wanted, printed, doctest.ELLIPSIS)
        assert same, f"{code}\nprints\n{printed}\nand not\n{wanted}"
    for picture in re.findall(r"!\[.*?\]\((.*?)\)", text, re.S):
        assert (tmp_path / picture).read_bytes().startswith(b"\x89PNG")
        assert (page.parent / picture).is_file()
