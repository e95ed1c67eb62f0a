"""Every example in a docstring and in the README runs and shows what it says."""

import doctest
import importlib
import pkgutil
import re
import warnings
from pathlib import Path

import pytest

import nlsq

pytestmark = pytest.mark.usefixtures("quickly")

ROOT = Path(nlsq.__file__).parent.parent
MODULES = [info.name for info in pkgutil.walk_packages(nlsq.__path__, "nlsq.")]


@pytest.mark.parametrize("name", ["nlsq", *MODULES])
def test_examples_run(name, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(nlsq.JAXConfig, "_instance", None)
    if name.startswith("nlsq.gui_qt."):
        pytest.importorskip("pyqtgraph", exc_type=ImportError)  # where Qt is not installed
    module = importlib.import_module(name)
    flags = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS
    failed, _ = doctest.testmod(module, optionflags=flags)
    assert failed == 0


def test_readme_examples_run(monkeypatch, tmp_path):
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", readme, flags=re.DOTALL)
    assert len(blocks) >= 3
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", nlsq.OptimizeWarning)  # the point of the last example
        for block in blocks:
            exec(compile(block, "README.md", "exec"), names)
    fit = names["fit"]
    assert fit.undetermined == ("a", "b")
    assert all(error == float("inf") for error in fit.perr)
    assert (tmp_path / "fit.json").exists()
