"""`import nlsq` costs next to nothing and changes nothing."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

import nlsq

pytestmark = pytest.mark.core
ROOT = Path(nlsq.__file__).parent.parent

_WATCH = """
import json, logging, os, sys, threading, warnings
before = {
    "env": dict(os.environ), "path": list(sys.path), "filters": list(warnings.filters),
    "handlers": list(logging.root.handlers), "level": logging.root.level,
}
modules = set(sys.modules)
import nlsq
modules = set(sys.modules) - modules
after = {
    "env": dict(os.environ), "path": list(sys.path), "filters": list(warnings.filters),
    "handlers": list(logging.root.handlers), "level": logging.root.level,
}
print(json.dumps({
    "changed": [key for key in before if before[key] != after[key]],
    "threads": threading.active_count(),
    "modules": sorted(name.partition(".")[0] for name in modules),
    "handlers": [type(h).__name__ for h in logging.getLogger("nlsq").handlers],
}))
"""


def _python(code: str, cwd: Path, **env: str) -> subprocess.CompletedProcess:
    base = {"PYTHONPATH": str(ROOT), "HOME": str(cwd), "PATH": "/usr/bin:/bin"}
    return subprocess.run(
        [sys.executable, "-B", "-c", code],
        cwd=cwd,
        env=base | env,
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )


def test_import_changes_nothing(tmp_path):
    done = _python(_WATCH, tmp_path)
    found = json.loads(done.stdout)
    assert found["changed"] == []
    assert found["threads"] == 1
    assert set(found["modules"]) <= {"nlsq", "importlib", "typing", "_typing"}
    assert set(found["handlers"]) <= {"NullHandler"}
    assert done.stderr == ""
    assert list(tmp_path.iterdir()) == []


def test_a_fit_leaves_no_trace(tmp_path):
    code = """
import logging, threading, jax, numpy as np
before = dict(jax.config.values)
import nlsq, nlsq.callbacks, nlsq.device
nlsq.MemoryConfig(), nlsq.JAXConfig().get_memory_config()
from nlsq import curve_fit
x = np.linspace(0, 1, 20)
y = 3 * np.exp(-2 * x) + 0.01 * x
popt, pcov = curve_fit(lambda x, a, b: a * np.exp(-b * x), x, y, backend="jax")
import jax.numpy as jnp
print([name for name in before if jax.config.values[name] != before[name]],
      threading.active_count(), jnp.ones(1).dtype, logging.root.handlers)
"""
    # compiled code on disk is tests/test_disk_cache.py's
    done = _python(code, tmp_path, JAX_PLATFORMS="cpu", NLSQ_DISABLE_PERSISTENT_CACHE="1")
    assert done.stdout.strip() == "[] 1 float32 []"
    assert done.stderr == ""
    assert list(tmp_path.iterdir()) == []


# What a small fit of a NumPy model has no use for, and what a person asks of it.
_HEAVY = """jax scipy optax h5py psutil pandas pyarrow matplotlib yaml asyncio multiprocessing
    numpy.ma numpy.random dask distributed cloudpickle
    nlsq.global_optimization nlsq.stability""".split()
_FITS = {
    "plain": "curve_fit(f, t, y, p0)",
    "lists": "curve_fit(f, t.tolist(), y.tolist(), p0)",
    "whole numbers": "curve_fit(f, np.arange(80), y, p0)",
    "a dictionary": "curve_fit(lambda d, *p: f(d['t'], *p), {'t': t}, y, p0)",
    "two variables": "curve_fit(lambda x, a, b: a * x[0] + b * x[1], (t, t**2), y)",
    "bounds": "curve_fit(f, t, y, p0, bounds=([0, 0, 0.1], [5, 5, 0.1]))",
    "a loss and sigma": "curve_fit(f, t, y, p0, sigma=0.1 + 0 * t, loss='huber')",
    "lm": "curve_fit(f, t, y, p0, method='lm')",
    "dogbox, watched": "curve_fit(f, t, y, p0, method='dogbox', callback=lambda *_: None)",
    "differences": "curve_fit(f, t, y, p0, jac='3-point')",
    "NaN": "curve_fit(f, t, np.where(t > 9, np.nan, y), p0, nan_policy='omit')",
    "complex": "curve_fit(lambda t, a, b: a * np.exp(1j * b * t), t, 2 * np.exp(1.02j * t))",
    "many": "fit_many(f, t, np.stack([y, 2 * y]), p0, bounds=(0, 9))[0].summary()",
    "many, one by one": "fit_many(lambda t, *p: np.cumsum(f(t, *p)), t, np.stack([y] * 2), p0)",
    "residuals": "least_squares(lambda p: f(t, *p) - y, p0)",
    "of the catalogue": "curve_fit(models.get('exponential_decay'), t, y, p0)",
    "a formula": "curve_fit(parse('a*exp(-t/tau)^2 + c').model('t'), t, y)",
    "what a result knows": """[
        repr(r := curve_fit(f, t, y, p0)), r.summary(), r.perr, r.aic, r.jac, r.residuals,
        r.confidence_intervals(), r.confidence_band(t), r.prediction_interval(t)]""",
}


def test_a_small_fit_loads_numpy_alone(tmp_path):
    code = f"""
import json, sys
import numpy as np
from nlsq import curve_fit, fit_many, least_squares, models
from nlsq.models.formulas import parse
t = np.linspace(0, 10, 80)
y = 2.5 * np.exp(-t / 2.2) + 0.3 + 0.01 * np.sin(40 * t)
p0 = [1, 1, 0.1]
def f(t, a, tau, c):
    return a * np.exp(-t / tau) + c
loaded = {{}}
for name, fit in {_FITS!r}.items():
    eval(fit)
    loaded[name] = [m for m in {_HEAVY} if m in sys.modules]
print(json.dumps(loaded))
"""
    done = _python(code, tmp_path)
    assert json.loads(done.stdout) == {name: [] for name in _FITS}
    assert list(tmp_path.iterdir()) == []


def test_a_model_that_loads_jax_in_the_fit_has_double_precision(tmp_path):
    code = """
import importlib, sys
import numpy as np
from nlsq import curve_fit
x = np.linspace(0, 4, 50)
y = 2 * np.exp(-0.7 * x) + 0.01 * np.sin(9 * x)
def late(x, a, b):
    return np.asarray(a * importlib.import_module("jax.numpy").exp(-b * x))
def plain(x, a, b):
    return a * np.exp(-b * x)
def slopes(x, a, b):
    return np.stack([plain(x, 1, b), -x * plain(x, a, b)], axis=1)
assert "jax" not in sys.modules
found = curve_fit(late, x, y, [1, 1], jac=slopes)
expected = curve_fit(plain, x, y, [1, 1], jac=slopes)
print(found.fun.dtype, sys.modules["jax"].numpy.ones(1).dtype)
for one, other in zip(found, expected):
    np.testing.assert_allclose(one, other, rtol=1e-10)
"""
    assert _python(code, tmp_path, JAX_PLATFORMS="cpu").stdout == "float64 float32\n"


@pytest.mark.parametrize("model", ["a*exp(-t/tau)+c", "exponential_decay"])
def test_the_program_loads_no_more_for_a_small_file(tmp_path, model):
    rows = "\n".join(f"{t},{3 * 0.9**t + 0.01 * (t % 3)}" for t in range(80))
    (tmp_path / "data.csv").write_text("t,V\n" + rows)
    code = f"""
import sys
from nlsq.cli.main import main
try:
    main(["fit", "data.csv", "-m", {model!r}])
except SystemExit as end:
    print([m for m in {_HEAVY} if m in sys.modules and m != 'numpy.ma'], end.code)
"""
    done = _python(code, tmp_path)
    assert done.stdout.splitlines()[-1] == "[] 0" and "95 % interval" in done.stdout
    assert [file.name for file in tmp_path.iterdir()] == ["data.csv"]


def test_every_public_name_is_there():
    for name in nlsq.__all__:
        assert getattr(nlsq, name) is not None
    assert set(nlsq.__all__) <= set(dir(nlsq))
    lazy = nlsq.io, nlsq.models, nlsq.result, nlsq.security, nlsq.streaming
    for module in (nlsq, *lazy):  # and nothing beside them
        assert [n for n in dir(module) if n.startswith("_")] in ([], ["__version__"])
        assert not {"TYPE_CHECKING", "import_module"} & set(dir(module))
    with pytest.raises(AttributeError, match="no attribute 'curve_fitt'"):
        nlsq.curve_fitt  # noqa: B018


def test_names_for_type_checkers_are_the_lazy_names():
    tree = ast.parse(Path(nlsq.__file__).read_text(encoding="utf-8"))
    typed = {
        alias.name: node.module
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module.startswith("nlsq.")
        for alias in node.names
    }
    assert typed == {name: f"nlsq.{home}" for name, home in nlsq._HOME.items()}


def test_debug_variable_turns_logging_on(tmp_path):
    code = "from nlsq.utils.logging import get_logger; get_logger('loop').debug('step 3')"
    assert _python(code, tmp_path).stderr == ""
    assert "nlsq.loop DEBUG: step 3" in _python(code, tmp_path, NLSQ_DEBUG="1").stderr
