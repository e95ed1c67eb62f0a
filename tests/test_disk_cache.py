"""Compiled programs on disk: the next process compiles nothing, and JAX's settings stay."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import nlsq

pytestmark = [pytest.mark.core, pytest.mark.usefixtures("compiled")]
ROOT = Path(nlsq.__file__).parent.parent

_FIT = """
import json, jax, numpy as np
events = []
jax.monitoring.register_event_listener(lambda event, **_: events.append(event))
before = dict(jax.config.values)
from nlsq import curve_fit
x = np.linspace(0, 4, 50)
popt, _ = curve_fit(lambda x, a, b: a * np.exp(-b * x), x, 2.5 * np.exp(-0.5 * x), [1.0, 1.0])
after = dict(jax.config.values)
users = events.count("/jax/compilation_cache/cache_misses")
jax.jit(lambda x: x * 3 + 1)(np.arange(4.0))  # the user's own is not for our cache
print(json.dumps({
    "popt": list(popt),
    "hits": events.count("/jax/compilation_cache/cache_hits"),
    "misses": events.count("/jax/compilation_cache/cache_misses"),
    "users": events.count("/jax/compilation_cache/cache_misses") - users,
    "changed": [name for name in before if before[name] != after[name]],
}))
"""


def fit(home: Path, **env: str) -> dict:
    environment = {
        "PATH": "/usr/bin:/bin", "HOME": str(home), "XDG_CACHE_HOME": str(home / "cache"),
        "PYTHONPATH": str(ROOT), "JAX_PLATFORMS": "cpu",
        "NLSQ_BACKEND": "jax",
    }  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-c", _FIT],
        capture_output=True, text=True, check=True, timeout=120, env=environment | env,
    )  # fmt: skip
    assert done.stderr == ""
    found = json.loads(done.stdout)
    assert found.pop("popt") == pytest.approx([2.5, 0.5], rel=1e-12)
    assert found.pop("changed") == []
    assert found.pop("users") == 0
    return found


def test_the_second_process_compiles_nothing(tmp_path):
    first = fit(tmp_path)
    assert first["hits"] == 0 and first["misses"] > 0
    assert len(list((tmp_path / "cache" / "nlsq" / "jax").iterdir())) >= first["misses"]
    assert fit(tmp_path) == {"hits": first["misses"], "misses": 0}


def test_it_can_be_forbidden_and_the_users_cache_wins(tmp_path):
    assert fit(tmp_path, NLSQ_DISABLE_PERSISTENT_CACHE="1") == {"hits": 0, "misses": 0}
    assert list(tmp_path.rglob("*")) == []
    fit(
        tmp_path, JAX_COMPILATION_CACHE_DIR=str(tmp_path / "mine"),
        JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS="1e9",
    )  # fmt: skip
    assert not (tmp_path / "cache").exists()


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root writes anywhere")
def test_a_home_that_cannot_be_written_is_no_error(tmp_path):
    tmp_path.chmod(0o500)
    try:
        assert fit(tmp_path)["misses"] == 0
    finally:
        tmp_path.chmod(0o700)
