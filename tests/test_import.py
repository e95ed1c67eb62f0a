"""`import nlsq` costs next to nothing and changes nothing."""

import ast
import json
import statistics
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
import nlsq
after = {
    "env": dict(os.environ), "path": list(sys.path), "filters": list(warnings.filters),
    "handlers": list(logging.root.handlers), "level": logging.root.level,
}
print(json.dumps({
    "changed": [key for key in before if before[key] != after[key]],
    "threads": threading.active_count(),
    "modules": [m for m in ("jax", "scipy", "numpy", "click", "rich") if m in sys.modules],
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
    assert found["modules"] == []
    assert set(found["handlers"]) <= {"NullHandler"}
    assert done.stderr == ""
    assert list(tmp_path.iterdir()) == []


def test_jax_flags_are_those_of_jax(tmp_path):
    code = """
import jax
before = {name: jax.config.values[name] for name in jax.config.values}
import nlsq, nlsq.config, nlsq.callbacks, nlsq.device
nlsq.MemoryConfig(), nlsq.JAXConfig().get_memory_config()
print([name for name in before if jax.config.values[name] != before[name]])
"""
    assert _python(code, tmp_path).stdout.strip() == "[]"


def test_a_fit_leaves_no_trace(tmp_path):
    code = """
import logging, threading, jax, numpy as np
before = dict(jax.config.values)
from nlsq import curve_fit
x = np.linspace(0, 1, 20)
popt, pcov = curve_fit(lambda x, a, b: a * np.exp(-b * x), x, 3 * np.exp(-2 * x) + 0.01 * x)
import jax.numpy as jnp
print([name for name in before if jax.config.values[name] != before[name]],
      threading.active_count(), jnp.ones(1).dtype, logging.root.handlers)
"""
    # compiled code on disk is tests/test_disk_cache.py's
    done = _python(code, tmp_path, JAX_PLATFORMS="cpu", NLSQ_DISABLE_PERSISTENT_CACHE="1")
    assert done.stdout.strip() == "[] 1 float32 []"
    assert done.stderr == ""
    assert list(tmp_path.iterdir()) == []


def test_import_takes_at_most_1_3_times_numpy(tmp_path):
    code = """
import time
start = time.process_time()
import {module}
print(time.process_time() - start)
"""
    seconds = {"nlsq": [], "numpy": []}
    for _ in range(7):
        for module, found in seconds.items():
            found.append(float(_python(code.format(module=module), tmp_path).stdout))
    ratio = statistics.median(seconds["nlsq"]) / statistics.median(seconds["numpy"])
    assert ratio <= 1.3


def test_every_public_name_is_there():
    for name in nlsq.__all__:
        assert getattr(nlsq, name) is not None
    assert set(nlsq.__all__) <= set(dir(nlsq))
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
