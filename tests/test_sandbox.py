"""The child that can do nothing but compute: walls, limits, what travels, and how it ends."""

import os
import shutil
import signal
import struct
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import numpy as np
import pytest

import nlsq
from nlsq.security import (
    Limits,
    ResourceLimitError,
    SandboxError,
    call,
    frames,
    limits,
    reading,
    seccomp,
)  # fmt: skip
from nlsq.security.bubblewrap import around
from nlsq.security.programs import MOST, Programs
from nlsq.utils.input_error import InputError, harmless
from nlsq.utils.safe_serialize import SafeSerializationError
from tests.program import HEED

ROOT = Path(nlsq.__file__).parent.parent
ENTRY = "tests.sandbox_entries:"
BWRAP = shutil.which("bwrap")
BUBBLEWRAP = pytest.mark.skipif(
    not BWRAP or subprocess.call([BWRAP, "--unshare-all", "--ro-bind", "/", "/", "true"]) != 0,
    reason="no bubblewrap that works",
)
FILTER = pytest.mark.skipif(seccomp.machine() is None, reason="no filter of system calls here")


def test_values_travel_exactly(capfd):
    value = {
        "x": np.linspace(0, 1, 1000),
        1: (np.float32(0.1), -0.0, float("nan")),
        "s": "ä\x1b\0",
        "deep": [{"a": [None, True, 1 + 2j, b"raw"]}],
    }
    back = call(ENTRY + "echo", value)
    np.testing.assert_array_equal(back.pop("x"), value.pop("x"))
    assert repr(back) == repr(value)
    out = capfd.readouterr()
    assert out.out == "" and out.err == "said by the child [2J\n"


def test_what_cannot_travel_is_refused_before_and_after():
    with pytest.raises(SafeSerializationError):
        call("builtins:len", {"f": print})
    with pytest.raises(SandboxError, match=r"SafeSerializationError.*type"):
        call("builtins:type", {})


@FILTER
def test_everything_is_in_force_here():
    held = call("nlsq.security.child:held", {})
    walls = {"orphan", "memory", "cpu", "files", "core", "syscalls", "privileges"}
    assert set(held["in_force"]) - {"reading"} == walls
    assert set(held["missing"]) == (set() if reading.version() else {"reading"})


@FILTER
@pytest.mark.parametrize("bubblewrap", [False, pytest.param(True, marks=BUBBLEWRAP)])
def test_nothing_is_reached(bubblewrap, tmp_path, monkeypatch):
    there, other = tmp_path / "kept", tmp_path / "other"
    there.write_text("kept")
    other.write_text("secret")
    others = [other, "/etc/passwd", "/root", "/home", "/", "/tmp", f"/proc/{os.getpid()}/environ"]
    others = [str(path) for path in others if reading.version() or bubblewrap]
    found = call(
        ENTRY + "reach_out", {"file": str(there), "others": others}, files=[there, ROOT / "tests"],
        bubblewrap=bubblewrap,
    )  # fmt: skip
    assert found.pop("read") == "done" and len(found) > 20
    if bubblewrap:  # there they are not even refused: they are not there
        gone = {k: v for k, v in found.items() if v == "FileNotFoundError"}
        assert set(gone) <= {f"read {path}" for path in others}
        found = {k: v for k, v in found.items() if k not in gone}
    assert {k: v for k, v in found.items() if v not in ("PermissionError", "refused")} == {}
    assert there.read_text() == "kept" and sorted(tmp_path.iterdir()) == [there, other]


@FILTER
def test_limits_cannot_be_raised_and_threads_work():
    assert call(ENTRY + "raise_limits", {}) is True
    assert call(ENTRY + "thread", {"value": 7}) == 7


def test_a_long_fit_works_within_the_defaults():
    popt = call(ENTRY + "large_fit", {"points": 1_000_000})
    np.testing.assert_allclose(popt, [2, 1, 0.5], rtol=1e-3)


def test_errors_name_the_line(tmp_path):
    path = tmp_path / "model.py"
    path.write_text("def helper(x):\n    return 1 / x\n\n\ndef model(x):\n    return helper(x)\n")
    with pytest.raises(SandboxError, match="ZeroDivisionError: division by zero") as error:
        call(ENTRY + "fail_in", {"path": str(path), "arguments": [0]}, files=[path])
    failure = error.value
    assert failure.type_name == "ZeroDivisionError" and failure.text == "division by zero"
    assert failure.line_in(path) == 2 and failure.line_in(tmp_path / "other.py") is None
    last = failure.frames[-1]
    assert last[2:] == ("helper", "return 1 / x")


def test_a_refused_file_says_why(tmp_path):
    path = tmp_path / "model.py"
    path.write_text("x = 1\nimport os\n")
    with pytest.raises(SandboxError, match=r"model.py:2:1: refused: the module 'os'") as error:
        call(ENTRY + "fail_in", {"path": str(path), "arguments": [0]}, files=[path])
    assert error.value.type_name == "ModelValidationError"


JUNK = [
    b"x" * 8,
    b"\0" * 8 + b"{}",
    b"\5\0\0\0\0\0\0\0{}{}{",
    b"\xff" * 8,
    b"\2\0\0\0\0\0\0\0{}",
    b'\x0d\0\0\0\0\0\0\0{"error": {}}',
    b"\4\0\0\0\0\0\0\0null",
    b"\7" + bytes(15) + b'"value"',
    b"\2" + bytes(15) + b"[]",
]


@pytest.mark.parametrize("junk", JUNK)
def test_a_forged_answer_is_an_error(junk):
    with pytest.raises(SandboxError, match="the answer of the sandbox is damaged"):
        call(ENTRY + "forge", {"junk": junk})


LONG = np.arange(1000.0)


@pytest.fixture
def kept(tmp_path, monkeypatch):
    """programs(name of a file) with a cache of their own, and the file."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("NLSQ_DISABLE_PERSISTENT_CACHE")
    for name, text in (("one", "a * x + b"), ("same", "a * x + b"), ("other", "b + a * x")):
        (tmp_path / name).write_text(f"def model(x, a, b):\n    return {text}\n")
    return lambda name: (Programs(tmp_path / name, "walls"), str(tmp_path / name))


def test_what_a_child_compiled_serves_the_next_one_with_the_same_file(kept, tmp_path):
    programs, path = kept("one")
    payload = {"path": path, "x": np.linspace(0, 1, 200_000), "p": [2.0, 3.0], "backend": "jax"}
    first = call(ENTRY + "fit", payload, files=[path], programs=programs)
    (held,) = (tmp_path / "cache/nlsq/confined").iterdir()
    written = held.stat().st_ino
    again, path = kept("same")
    second = call(ENTRY + "fit", payload | {"path": path}, files=[path], programs=again)
    np.testing.assert_allclose(second["popt"], first["popt"], rtol=1e-10)
    assert held.stat().st_ino == written, "the second child compiled something"
    assert again.load() == programs.load() != b""
    assert kept("other")[0].load() == Programs(path, "other walls").load() == b""


def test_who_forges_programs_forges_his_own(kept, monkeypatch):
    programs, path = kept("one")
    call(ENTRY + "forge_programs", {"length": 5}, files=[path], programs=programs)
    assert kept("same")[0].load().endswith(b"jit_fit\0\0\0\0\0")
    assert kept("other")[0].load() == b""
    call(ENTRY + "forge_programs", {"length": MOST}, files=[path], programs=programs)
    assert len(programs.load()) < 100, "more than one file may have"
    programs.save(b"\xff" * 99)  # no programs at all
    payload = {"path": path, "honest": True, "x": np.arange(3.0), "p": [2.0, 3.0]}
    assert call(ENTRY + "evaluate", payload, files=[path], programs=programs).tolist() == [3, 5, 7]
    Path(path).write_text("def model(x, a, b):\n    return 0 * x\n")
    programs.save(b"of which file?")
    assert kept("same")[0].load() == b"\xff" * 99
    monkeypatch.setenv("NLSQ_DISABLE_PERSISTENT_CACHE", "1")
    assert kept("same")[0].load() == b""


SENT = {
    "floats": np.where(LONG % 7, LONG, np.nan),
    "of two axes": LONG.reshape(20, 50),
    "backwards": LONG[::-2],
    "by columns": np.asfortranarray(LONG.reshape(20, 50)),
    "big-endian": LONG.astype(">f4"),
    "complex": LONG + 1j,
    "whole": np.arange(-300, 300, dtype=np.int16),
    "truth": LONG > 3,
    "short": np.array([0.1, -0.0, np.inf]),
    "no values": np.empty((0, 70)),
    "texts": np.array(["a", "longer"] * 50),
    "objects": np.array([1, "a", None] * 50, dtype=object),
    "$raw": "a name that looks like a tag",
}


@pytest.mark.parametrize("name", SENT)
def test_a_frame_carries_arrays_as_they_are(name):
    there, here = os.pipe()
    frames.Frame({name: SENT[name], "two": [SENT[name], LONG]}).send(here)
    back = frames.receive(there, 1 << 20)
    assert list(back) == [name, "two"]
    pairs = zip([back[name], *back["two"]], [SENT[name], SENT[name], LONG], strict=True)
    for found, sent in pairs:
        np.testing.assert_array_equal(found, sent)
        found, sent = np.asarray(found), np.asarray(sent)
        assert (found.shape, found.dtype) == (sent.shape, sent.dtype.newbyteorder("="))
    os.close(there), os.close(here)


FORGED = [
    '{"$raw": 0, "dtype": "<f8", "shape": [9]}',  # 64 bytes hold eight
    '{"$raw": 8, "dtype": "<f8", "shape": [8]}',
    '{"$raw": -8, "dtype": "<f8", "shape": [1]}',
    '{"$raw": 0, "dtype": "<f8", "shape": [-1]}',
    '{"$raw": 0, "dtype": "<f8", "shape": [4611686018427387904, 4]}',
    '{"$raw": 0, "dtype": "|O8", "shape": [8]}',
    '{"$raw": 0, "dtype": "<f3", "shape": [8]}',
    '{"$raw": 0, "dtype": "V8", "shape": [8]}',
    '{"$raw": "0", "dtype": "<f8", "shape": [8]}',
    '{"$raw": 0, "dtype": ["<f8"], "shape": [8]}',
    '{"$raw": 0}',
    '{"$object": 0}',
    "NaN",
]


@pytest.mark.parametrize("text", FORGED)
def test_a_forged_frame_is_refused(text):
    there, here = os.pipe()
    data = text.encode()
    os.write(here, struct.pack("<QQ", len(data), 64) + data + bytes(64))
    with pytest.raises(SafeSerializationError):
        frames.receive(there, 1 << 20)
    os.close(there), os.close(here)


def test_a_frame_is_no_longer_than_allowed_and_whole():
    there, here = os.pipe()
    os.write(here, struct.pack("<QQ", 10, 1 << 20))
    with pytest.raises(SafeSerializationError, match="more than 1048576"):
        frames.receive(there, 1 << 20)
    os.write(here, struct.pack("<QQ", 2, 64) + b"{}..")
    os.close(here)
    with pytest.raises(EOFError):
        frames.receive(there, 1 << 20)
    os.close(there)


def test_a_child_that_ends_is_an_error():
    with pytest.raises(SandboxError, match="with status 3 without an answer"):
        call(ENTRY + "leave", {})
    if sys.platform != "win32":
        with pytest.raises(SandboxError, match="by SIGSEGV without an answer"):
            call(ENTRY + "crash", {})
    with pytest.raises(SandboxError, match="ModuleNotFoundError"):
        call("no_such_module_anywhere:f", {})


@FILTER
def test_processor_time_is_limited():
    with pytest.raises(ResourceLimitError, match=r"1 s of processor.*raise cpu_seconds") as error:
        path = str(ROOT / "tests/hostile/run_endless_while.py")
        bounds = Limits(cpu_seconds=1, wall_seconds=60)
        call(ENTRY + "evaluate", {"path": path, "x": 1, "p": [1]}, files=[path], limits=bounds)
    assert error.value.limit == "cpu"


def test_secrets_of_the_environment_stay_outside(monkeypatch):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", "/somewhere")
    monkeypatch.setenv("NLSQ_DEBUG", "0")
    found = call(ENTRY + "environment", {})
    assert "secret" not in found.values() and "JAX_COMPILATION_CACHE_DIR" not in found
    assert found["NLSQ_DEBUG"] == "0" and found["JAX_PLATFORMS"] == "cpu"


def test_calls_from_threads_run_side_by_side():
    found = {}

    def one(i):
        found[i] = call(ENTRY + "thread", {"value": i})

    threads = [threading.Thread(target=one, args=(i,)) for i in range(3)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert found == {0: 0, 1: 1, 2: 2}


def test_bubblewrap_shows_only_what_may_be_read(tmp_path, monkeypatch):
    program = tmp_path / "bwrap"
    program.write_text("")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    line = around(["python", "-V"], [tmp_path / "model.py"], tmp_path)
    inside = line.index(str(program))
    assert line[-3:] == ["--", "python", "-V"] and line[inside + 1] == "--unshare-all"
    options = line[inside + 1 : -3]
    shown = [options[i + 1] for i, word in enumerate(options) if word == "--ro-bind-try"]
    assert str(tmp_path / "model.py") in shown and sys.prefix in shown
    assert not {"/", "/home", "/root", "/etc", "/tmp", str(Path.home())} & set(shown)
    assert not [word for word in options if word.startswith("--bind") or "share-net" in word]
    program.write_text("#!/bin/sh\necho 'bwrap: No permissions' >&2\nexit 1\n")
    with pytest.raises(SandboxError, match=r"bubblewrap cannot build .*\(No permissions\); allow"):
        call("builtins:len", {}, bubblewrap=True)
    program.unlink()
    with pytest.raises(InputError, match=r"bubblewrap is not installed.*Install the package"):
        call("builtins:len", {}, bubblewrap=True)


@FILTER
@BUBBLEWRAP
def test_bubblewrap_changes_nothing_else(tmp_path):
    path = tmp_path / "model.py"
    path.write_text("import numpy as np\ndef f(x, a): return a * np.exp(-x)\n")
    payload = {"path": str(path), "x": np.linspace(0, 1, 5), "p": [2.0]}
    files = [path, ROOT / "tests"]
    inside = call(ENTRY + "evaluate", payload, files=files, bubblewrap=True)
    np.testing.assert_array_equal(inside, call(ENTRY + "evaluate", payload, files=files))
    held = call("nlsq.security.child:held", {}, bubblewrap=True)
    assert {"bubblewrap", "orphan", "syscalls"} <= set(held["in_force"])
    with pytest.raises(SandboxError, match="by SIGSEGV without an answer"):
        call(ENTRY + "crash", {}, files=files, bubblewrap=True)
    with pytest.raises(ResourceLimitError, match="1 s on the clock"):
        call(ENTRY + "stubborn", {}, files=files, bubblewrap=True, limits=Limits(wall_seconds=1))


def test_limits_are_checked():
    for wrong in ({"memory_mb": 0}, {"wall_seconds": -1}, {"cpu_seconds": float("nan")}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            Limits(**wrong)
    assert call("builtins:len", {}, limits=Limits(None, None, None)) == 0


def test_systems_without_these_walls_say_so(monkeypatch):
    monkeypatch.setattr(limits, "resource", None)
    monkeypatch.setattr(limits.sys, "platform", "win32")
    held = limits.confine(Limits())
    assert held.in_force == () and set(held.missing) >= {"memory", "cpu", "files", "syscalls"}


# -- where nlsq is found -----------------------------------------------------------------------


def _script(code, cwd, *options, **env):
    base = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    return subprocess.Popen(
        [sys.executable, "-B", *options, "-c", HEED + textwrap.dedent(code)],
        cwd=cwd, env=base | env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


@pytest.mark.parametrize("way", ["path", "cwd"])
def test_the_child_runs_the_nlsq_of_its_parent(way, tmp_path):
    code = """
        import nlsq
        from nlsq.security import call
        print(nlsq.__file__, call('tests.sandbox_entries:thread', {'value': nlsq.__file__}))
    """
    where = {"PYTHONPATH": str(ROOT)} if way == "path" else {}
    # A stranger's folder as working directory gives the child no modules of its own.
    (tmp_path / "struct.py").write_text("open('nlsq_marker', 'w')")
    (tmp_path / "numpy.py").write_text("open('nlsq_marker', 'w')")
    script = _script(
        code, tmp_path if way == "path" else ROOT, *(["-P"] * (way == "path")), **where
    )
    out, err = script.communicate(timeout=60)
    assert out.split() == [nlsq.__file__] * 2, err
    assert not (tmp_path / "nlsq_marker").exists()


# -- signals -----------------------------------------------------------------------------------

SIGNALS = pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
WAIT = """
    import sys
    from nlsq.security import call
    try:
        files = [{tests!r}]
        print(call("tests.sandbox_entries:{entry}", {{}}, files=files, bubblewrap={bubblewrap}))
    except KeyboardInterrupt:
        print("interrupted")
"""


def _waiting(entry, bubblewrap=False):
    """A program in its own session that waits for a child, and the child's process id."""
    code = WAIT.format(entry=entry, tests=str(ROOT / "tests"), bubblewrap=bubblewrap)
    script = _script(code, ROOT, PYTHONPATH=str(ROOT))
    for line in script.stderr:
        if line.startswith("pid "):
            return script, int(line.split()[1])
    raise AssertionError("the child never started")


def _gone(pid, seconds=10.0):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            os.kill(pid, 0)
            with open(f"/proc/{pid}/stat", encoding="ascii") as file:
                if file.read().rpartition(")")[2].split()[0] == "Z":
                    return True
        except OSError:
            return True
        time.sleep(0.02)
    return False


@SIGNALS
@pytest.mark.parametrize("bubblewrap", [False, pytest.param(True, marks=BUBBLEWRAP)])
def test_the_first_ctrl_c_waits_for_the_answer(bubblewrap):
    script, pid = _waiting("best_so_far", bubblewrap)
    script.send_signal(signal.SIGINT)
    out, _ = script.communicate(timeout=30)
    assert out.strip() == "best so far" and script.returncode == 0
    assert bubblewrap or _gone(pid)  # inside, processes have other numbers


@SIGNALS
def test_the_second_ctrl_c_ends_it():
    script, pid = _waiting("stubborn")
    script.send_signal(signal.SIGINT)
    time.sleep(0.3)
    assert script.poll() is None and not _gone(pid, 0.1)
    script.send_signal(signal.SIGINT)
    out, _ = script.communicate(timeout=30)
    assert out.strip() == "interrupted" and _gone(pid)


@SIGNALS
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
@pytest.mark.parametrize("entry", ["stubborn", "best_so_far"])
def test_no_child_outlives_its_parent(number, entry):
    script, pid = _waiting(entry)
    script.send_signal(number)
    script.communicate(timeout=30)
    assert script.returncode == -number and _gone(pid)


@SIGNALS
def test_handlers_are_put_back():
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    call("builtins:len", {})
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


def test_what_terminals_obey_is_taken_out():
    assert harmless("a\x1b[2Jb\x07\x9bc\u202ed\n\t\r") == "a[2Jbcd\n\t\r"
