"""Code on disk: read where it is whole and of these sources and settings, else made anew."""

import json
import os
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import nlsq
from nlsq.caching import lowered as module
from nlsq.caching.lowered import lowered
from nlsq.config import double_precision

pytestmark = [pytest.mark.core, pytest.mark.usefixtures("compiled")]
ROOT = Path(nlsq.__file__).parent.parent
X = np.array([0.5, 1.0, 2.0])


@pytest.fixture
def kept(tmp_path, monkeypatch):
    """run(name, x) evaluates sin x + x from its code and returns how often it was traced so far."""
    sources = tmp_path / "sources"
    sources.mkdir()
    (sources / "one.py").write_text("first")
    monkeypatch.setattr(module, "in_memory", lambda: None)
    monkeypatch.setattr(module, "cache_directory", lambda: str(tmp_path))
    traces = []

    def run(name="f", x=X):
        def function(x):  # anew, or JAX would remember its trace
            traces.append(x)
            return jnp.sin(x) + x

        module._digest.cache_clear()
        with double_precision():
            program = jax.jit(lambda x: lowered(function, name, sources, x)(x))
            np.testing.assert_allclose(program(x), np.sin(x) + x, rtol=1e-14)
        return len(traces)

    yield run, sources
    module._digest.cache_clear()


def codes(sources: Path) -> list[Path]:
    return sorted(sources.parent.glob("nlsq-*.mlir"))


def test_a_function_is_traced_once(kept):
    run, sources = kept
    assert [run(), run()] == [1, 1]
    assert sorted(sources.parent.iterdir()) == [*codes(sources), sources]


def test_what_the_code_depends_on_is_in_its_name(kept, monkeypatch):
    run, sources = kept
    assert [run(), run("g"), run(x=X[:2])] == [1, 2, 3]
    with jax.default_matmul_precision("float32"):
        assert run() == 4
    (sources / "one.py").write_text("second")
    assert run() == 5
    monkeypatch.setattr(jax, "__version__", "0.0.0")
    assert [run(), run()] == [6, 6]
    assert len(codes(sources)) == 6


@pytest.mark.parametrize(
    "damage",
    [lambda code: code[:-1], lambda code: code[:50] + b"?" + code[51:], lambda code: b""],
    ids=["cut", "changed", "empty"],
)
def test_a_damaged_file_is_made_anew(kept, damage):
    run, sources = kept
    run()
    (path,) = codes(sources)
    path.write_bytes(damage(path.read_bytes()))
    assert [run(), run()] == [2, 2]


def test_without_sources_nothing_is_kept(kept):
    run, sources = kept
    (sources / "one.py").unlink()
    assert [run(), run()] == [1, 2]
    assert codes(sources) == []


def test_a_call_of_a_library_is_not_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "in_memory", lambda: None)
    monkeypatch.setattr(module, "cache_directory", lambda: str(tmp_path))
    A = np.diag([4.0, 9.0])
    with double_precision():
        program = jax.jit(lambda A: lowered(jnp.linalg.cholesky, "root", ROOT / "nlsq", A)(A))
        np.testing.assert_allclose(program(A), np.diag([2.0, 3.0]))
    assert list(tmp_path.iterdir()) == []


_FIT = """
import json, sys, jax, numpy as np
from nlsq import curve_fit
traced = []
jax.monitoring.register_event_duration_secs_listener(
    lambda event, seconds, **about: traced.append(about.get("fun_name"))
)
x = np.linspace(0, 4, 50)
def one(x, a, b):
    return a * np.exp(-b * x)
def other(x, a, b):
    return a + b * x**2
for model in (one, other):
    fit = curve_fit(model, x, model(x, 2.5, 0.5) + 0.1 * np.cos(9 * x), [1.0, 1.0])
    print(json.dumps([fit.popt.tobytes().hex(), fit.pcov.tobytes().hex()]))
print(sum("(one)" in str(name) for name in traced))  # the name of the step in JAX's log
"""


def test_one_step_serves_all_models_and_processes_with_the_same_bits(tmp_path):
    def fit(**more):
        environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path), "PYTHONPATH": str(ROOT)}
        environment.pop("NLSQ_DISABLE_PERSISTENT_CACHE", None)
        done = subprocess.run(
            [sys.executable, "-c", _FIT],
            capture_output=True, text=True, check=True, timeout=120, env=environment | more,
        )  # fmt: skip
        *fits, lowered = done.stdout.splitlines()
        return [json.loads(line) for line in fits], int(lowered)

    first, second = fit(), fit()
    never = fit(NLSQ_DISABLE_PERSISTENT_CACHE="1")
    assert first[0] == second[0] == never[0]
    assert [first[1], second[1], never[1]] == [1, 0, 0]
