"""Strangers' model files: the hostile ones do not run, the honest ones do, unchanged."""

import ast
import inspect
import os
import pickle
from pathlib import Path

import numpy as np
import pytest

from nlsq.models.formulas import FormulaError, parse
from nlsq.security import (
    Limits,
    ModelValidationError,
    ResourceLimitError,
    SandboxError,
    call,
    load_function,
    validate_model,
)
from nlsq.utils.input_error import InputError

HERE = Path(__file__).parent
FILES = sorted((HERE / "hostile").glob("*.py"))
RUN = [p for p in FILES if p.name.startswith("run_")]
HOSTILE = [p for p in FILES if p not in RUN]
HONEST = sorted((HERE / "honest").glob("*.py"))
FORMULAS = [
    line.encode("latin-1", "backslashreplace").decode("unicode_escape")
    if line.isascii()
    else line.replace("\\u200b", "\u200b")
    for line in (HERE / "hostile" / "formulas.txt").read_text(encoding="utf-8").splitlines()
    if not line.startswith("# ")
]
LINUX = pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="limits of Linux")
X = np.linspace(0.05, 10, 64)


def test_there_is_a_corpus():
    assert len(FILES) + len(FORMULAS) >= 150 and len(RUN) >= 15 and len(HONEST) >= 60


# -- hostile -----------------------------------------------------------------------------------


@pytest.mark.parametrize("path", HOSTILE, ids=lambda p: p.stem)
def test_hostile_files_do_not_run(path, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    result = validate_model(path)
    lines = path.read_bytes().decode("utf-8", "replace").split("\n")
    marked = {i for i, line in enumerate(lines, 1) if "# <-" in line}
    found = {v.line for v in result.violations}
    assert marked <= found and found and max(found) <= len(lines)
    assert all(v.reason.endswith(".") and v.column >= 1 for v in result.violations)
    with pytest.raises(ModelValidationError) as error:
        load_function(path, "f")
    first = result.violations[0]
    assert f"{path}:{first.line}:{first.column}: refused: {first.reason}" in str(error.value)
    assert list(tmp_path.iterdir()) == []
    out = capfd.readouterr()
    assert "NLSQ_MARKER" not in out.out + out.err


@LINUX
@pytest.mark.parametrize("path", RUN, ids=lambda p: p.stem)
def test_hostile_files_that_only_compute_are_stopped(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert validate_model(path).is_valid
    _, _, kind, *seconds = path.read_text(encoding="utf-8").split("\n")[0].split()
    wall = float(seconds[0]) if seconds else 1.0 if kind == "time" else 60.0
    limits = Limits(memory_mb=300, wall_seconds=wall)
    expected = SandboxError if kind == "error" else ResourceLimitError
    with pytest.raises(expected) as error:
        payload = {"path": str(path), "x": X, "p": [1]}
        call("tests.sandbox_entries:evaluate", payload, limits=limits, files=[path])
    if kind != "error":
        assert error.value.limit == kind and "raise " in str(error.value)
    assert "\x1b" not in str(error.value)
    assert list(tmp_path.iterdir()) == []


@LINUX
def test_hostile_files_leave_nothing_even_unchecked(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    slow = ("scipy_test", "builtin_exit", "import_signal", "deep_nesting")
    paths = [str(p) for p in HOSTILE if p.stem not in slow]
    try:
        done = call("tests.sandbox_entries:run_unchecked", {"paths": paths}, files=paths)
        assert done == len(paths)
    except (SandboxError, ResourceLimitError) as error:
        pytest.fail(f"the child did not come through: {error}")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("text", FORMULAS)
def test_hostile_formulas_are_no_formulas(text, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FormulaError) as error:
        parse(text)
    assert error.value.position is None or 1 <= error.value.position <= len(text) + 1
    assert error.value.what
    assert list(tmp_path.iterdir()) == [] and "NLSQ_MARKER" not in capfd.readouterr().out


def test_paths_that_are_no_files_are_refused(tmp_path):
    os.mkfifo(tmp_path / "pipe.py")
    (tmp_path / "ring.py").symlink_to(tmp_path / "ring.py")
    for path in (tmp_path, tmp_path / "pipe.py", tmp_path / "ring.py", "/dev/zero", "a\0.py"):
        with pytest.raises(InputError):
            validate_model(path)
    with pytest.raises(InputError, match="no such file"):
        validate_model(tmp_path / "sub" / ".." / ".." / "nothing.py")


def test_links_are_looked_through(tmp_path):
    (tmp_path / "link.py").symlink_to(HERE / "hostile" / "import_os.py")
    assert not validate_model(tmp_path / "link.py").is_valid
    (tmp_path / "big.py").write_bytes(b"#" * (1 << 21))
    assert "larger than" in validate_model(tmp_path / "big.py").violations[0].reason


def test_what_was_looked_at_is_what_runs(tmp_path, monkeypatch):
    path = tmp_path / "model.py"
    path.write_text("def f(x, a):\n    return a * x\n")
    from nlsq.security import loading

    def swapped(given):
        result = validate_model(given)
        path.write_text("import os\ndef f(x, a):\n    return 0\n")
        return result

    monkeypatch.setattr(loading, "validate_model", swapped)
    assert load_function(path, "f")(2, 3) == 6


@pytest.mark.parametrize(
    "source",
    [
        "open('nlsq_marker', 'w')",
        "__import__('os')",
        "import os",
        "eval('1')",
        "getattr(1, 'real')",
        "from numpy import savetxt",
        "import numpy.ctypeslib",
        "from . import x",
    ],
)
def test_the_second_wall_holds_without_the_first(source, tmp_path, monkeypatch):
    from nlsq.security import loading
    from nlsq.security.model_validation import ModelValidationResult

    path = tmp_path / "model.py"
    path.write_text(source)

    def blind(given):
        return ModelValidationResult(str(given), True, False, (), "", ast.parse(source))

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(loading, "validate_model", blind)
    with pytest.raises((ImportError, NameError)):
        load_function(path, "f")
    assert [p.name for p in tmp_path.iterdir()] == ["model.py"]


def test_trusted_files_run_and_are_still_listed():
    path = HERE / "hostile" / "import_os_in_function.py"
    result = validate_model(path, trusted=True)
    assert result.is_trusted and not result.is_valid and result.may_run
    assert result.check() is result and result.violations
    assert callable(load_function(path, "f", trusted=True))


def test_a_refusal_travels():
    result = validate_model(b"import os\nimport sys\n")
    assert [v.line for v in result.violations] == [1, 2] and result.path is None
    with pytest.raises(ModelValidationError, match=r"the model:1:1: .*'os'.* \(and 1 more\)"):
        result.check()


# -- honest ------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", HONEST, ids=lambda p: p.stem)
@pytest.mark.filterwarnings("ignore:.*float64.*is not available")
def test_honest_files_pass_and_give_the_same(path):
    result = validate_model(path)
    assert result.violations == () and result.is_valid and len(result.signature) == 64
    import jax

    x64 = jax.config.jax_enable_x64
    try:
        f, free = load_function(path, "model"), load_function(path, "model", trusted=True)
        takes = [p for p in inspect.signature(f).parameters.values() if p.kind in (0, 1)]
        p = [0.7 + 0.1 * i for i in range(max(len(takes) - 1, 3 if len(takes) < 2 else 0))]
        y = np.asarray(f(X, *p))
        assert y.shape == X.shape and np.isfinite(y).all()
        np.testing.assert_array_equal(y, np.asarray(free(X, *p)))
    finally:
        jax.config.update("jax_enable_x64", x64)


@pytest.mark.parametrize("name", ["physics", "chemistry", "biology", "engineering"])
def test_the_corpus_of_fits_passes(name):
    source = (HERE / "corpus" / f"{name}.py").read_text(encoding="utf-8")
    source = source.replace("from tests.corpus.case import", "from math import")
    reasons = [v.reason for v in validate_model(source).violations]
    assert [r for r in reasons if "'math." not in r] == []


SAMPLE = ["gaussian_peak", "voigt_wofz", "dataclass_parameters", "jit_decorated", "class_callable"]


@pytest.mark.parametrize("backend", ["numpy", "jax"])
@pytest.mark.parametrize("name", SAMPLE)
def test_honest_files_fit_in_the_sandbox(name, backend):
    path = HERE / "honest" / f"{name}.py"
    f = load_function(path, "model")
    p = [2.0, 3.0, 1.2, 0.8][: len(inspect.signature(f).parameters) - 1]
    payload = {"path": str(path), "x": X, "p": p, "backend": backend}
    found = call("tests.sandbox_entries:fit", payload, files=[path])
    np.testing.assert_allclose(found["popt"], p, rtol=1e-6)
    assert (found["road"] == "host") == (backend == "numpy" and name != "jit_decorated")


def test_a_function_that_is_not_there_is_named():
    with pytest.raises(InputError, match="no function 'modle'; did you mean 'model'"):
        load_function(HONEST[0], "modle")
    with pytest.raises(InputError, match="no function '__builtins__'"):
        load_function(HONEST[0], "__builtins__")


def test_results_do_not_carry_the_tree_into_comparisons():
    assert validate_model(HONEST[0]) == validate_model(HONEST[0])
    violation = validate_model(b"import os\n").violations[0]
    assert pickle.loads(pickle.dumps(violation)) == violation
