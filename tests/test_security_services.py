"""Limits on this process, paths, the audit log, and what the package exports."""

import datetime
import json
import logging
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import nlsq
import nlsq.security as security
from nlsq.security import AuditLogger, ResourceLimitError, resource_limits, validate_model
from nlsq.security.paths import validate_path
from nlsq.utils.input_error import InputError

POSIX = pytest.mark.skipif(sys.platform == "win32", reason="limits of POSIX")
LINUX = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="limits of Linux")


def test_names_are_exported_lazily(tmp_path):
    for name in security.__all__:
        assert getattr(security, name) is not None
    assert set(security.__all__) <= set(dir(security))
    with pytest.raises(AttributeError, match="no attribute 'calls'"):
        security.calls  # noqa: B018
    code = """
import sys, nlsq.security.model_validation, nlsq.security.limits, nlsq.security.loading
import nlsq.security.audit
print([m for m in ("numpy", "jax", "scipy", "click", "platformdirs") if m in sys.modules])
"""
    root = Path(nlsq.__file__).parent.parent
    done = subprocess.run(
        [sys.executable, "-B", "-c", code], env=os.environ | {"PYTHONPATH": str(root)},
        cwd=tmp_path, capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    assert done.stdout.strip() == "[]"


# -- limits ------------------------------------------------------------------------------------


@POSIX
def test_time_is_limited_and_the_timer_taken_off():
    with (
        pytest.raises(ResourceLimitError, match=r"more than 0.05 s; raise timeout") as error,
        resource_limits(timeout=0.05) as in_force,
    ):
        assert in_force == ("time",)
        while True:
            pass
    assert error.value.limit == "time"
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
    assert signal.getsignal(signal.SIGALRM) == signal.SIG_DFL


@POSIX
def test_an_outer_limit_survives_an_inner_one():
    with pytest.raises(ResourceLimitError, match=r"0\.3 s"), resource_limits(timeout=0.3):
        with resource_limits(timeout=5):
            time.sleep(0.05)
        time.sleep(5)


@LINUX
def test_memory_is_limited_and_given_back():
    import resource

    before = resource.getrlimit(resource.RLIMIT_AS)
    with (
        pytest.raises(ResourceLimitError, match=r"more than 100 MiB; raise memory_mb"),
        resource_limits(memory_mb=100) as in_force,
    ):
        assert in_force == ("memory",)
        bytearray(500 << 20)
    assert resource.getrlimit(resource.RLIMIT_AS) == before
    assert len(bytearray(200 << 20)) == 200 << 20
    with pytest.raises(MemoryError), resource_limits(timeout=5):
        raise MemoryError
    for wrong in ({"timeout": 0}, {"memory_mb": -1}):
        with pytest.raises(ValueError, match="must be positive"), resource_limits(**wrong):
            pass


# -- paths -------------------------------------------------------------------------------------


def test_paths_stay_where_they_were_asked(tmp_path):
    base = tmp_path / "out"
    base.mkdir()
    (base / "link").symlink_to(tmp_path)
    (base / "file.txt").write_text("")
    (base / "back").symlink_to("file.txt")
    assert validate_path("a/b.json", base) == base.resolve() / "a" / "b.json"
    assert validate_path("a/../b.json", base) == base.resolve() / "b.json"
    assert validate_path(base / "file.txt", base) == base.resolve() / "file.txt"
    assert validate_path("back", base) == base.resolve() / "file.txt"
    assert validate_path(tmp_path / "x") == tmp_path.resolve() / "x"
    for wrong in ("../x", "link/x", "/etc/passwd", "a/../../x", "..", ".", "", " ", "a/\0", "a\nb"):
        with pytest.raises(InputError):
            validate_path(wrong, base)
    for reserved in ("con", "NUL", "a/com1.txt", "LPT9.json", "aux.", "a\\prn"):
        with pytest.raises(InputError, match="is a device on Windows"):
            validate_path(reserved, base)
    assert validate_path("console.json", base).name == "console.json"


@POSIX
def test_what_is_no_file_is_refused(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "zero").symlink_to("/dev/zero")
    (tmp_path / "ring").symlink_to("ring")
    for name, kind in (("pipe", "a pipe"), (".", "a folder"), ("/dev/null", "a device")):
        with pytest.raises(InputError, match=f"is {kind}"):
            validate_path(tmp_path / name)
    for name in ("zero", "ring"):
        with pytest.raises(InputError):
            validate_path(tmp_path / name)
    with pytest.raises(TypeError):
        validate_path(b"bytes")


# -- audit -------------------------------------------------------------------------------------


def test_events_are_lines_of_json(tmp_path):
    model = tmp_path / "m.py"
    model.write_bytes(b"import os\ndef f(x, a):\n    return a * x\n")
    log = AuditLogger(tmp_path / "state" / "audit.log")
    log.log_load_attempt(model, validate_model(model), user="ada")
    log.log_load_attempt(tmp_path / "none.py", None)
    log.log_export(model, "model")
    load, missing, export = log.events()
    digest = subprocess.run(
        [sys.executable, "-c", "import hashlib,sys;"
         "print(hashlib.sha256(open(sys.argv[1],'rb').read()).hexdigest())", str(model)],
        capture_output=True, text=True, check=True,
    ).stdout.strip()  # fmt: skip
    assert load["sha256"] == export["sha256"] == digest and missing["sha256"] == ""
    assert (load["user"], load["event"], load["path"]) == ("ada", "load", str(model))
    assert load["valid"] is False and "'os'" in load["violations"][0]
    assert export["kind"] == "model" and datetime.datetime.fromisoformat(export["time"]).tzinfo
    if sys.platform != "win32":
        assert log.log_file.stat().st_mode & 0o077 == 0


def test_full_files_are_put_aside(tmp_path):
    log = AuditLogger(tmp_path / "audit.log", max_size_bytes=1000)
    for i in range(60):
        log.log_export(f"file{i}", "result")
    files = sorted(p.name for p in tmp_path.iterdir())
    assert files == ["audit.log", *(f"audit.log.{i}" for i in range(1, 6))]
    assert all(p.stat().st_size <= 1000 for p in tmp_path.iterdir())
    assert log.events()[-1]["path"].endswith("file59")


def test_old_lines_are_dropped(tmp_path):
    file = tmp_path / "audit.log"
    now = datetime.datetime.now(datetime.UTC)
    times = [now - datetime.timedelta(days=d) for d in (100, 91, 89, 0)]
    lines = [json.dumps({"time": t.isoformat(), "n": i}) + "\n" for i, t in enumerate(times)]
    file.write_text("".join([*lines[:2], "damaged\n", *lines[2:]]))
    (tmp_path / "audit.log.1").write_text(lines[0])
    log = AuditLogger(file)
    log.log_export("x", "result")
    assert [e.get("n") for e in log.events()] == [2, 3, None]
    assert not (tmp_path / "audit.log.1").exists()


def test_a_folder_that_cannot_be_written_is_said_once(tmp_path, caplog):
    (tmp_path / "file").write_text("")
    log = AuditLogger(tmp_path / "file" / "audit.log")
    with caplog.at_level(logging.WARNING, "nlsq"):
        log.log_export("x", "result")
        log.log_export("y", "result")
    assert [r.name for r in caplog.records] == ["nlsq.security"]
    assert log.events() == []
    with pytest.raises(ValueError):
        AuditLogger(tmp_path / "x", retention_days=0)


@POSIX
def test_the_log_is_no_link_to_elsewhere(tmp_path):
    (tmp_path / "elsewhere").write_text("kept")
    (tmp_path / "audit.log").symlink_to(tmp_path / "elsewhere")
    AuditLogger(tmp_path / "audit.log", retention_days=1e6 / 365).log_export("x", "result")
    assert "export" not in (tmp_path / "elsewhere").read_text()


def test_the_default_file_is_in_the_users_state(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert AuditLogger().log_file.name == "audit.log"
    if sys.platform.startswith("linux"):
        assert AuditLogger().log_file == tmp_path / "nlsq" / "audit.log"
