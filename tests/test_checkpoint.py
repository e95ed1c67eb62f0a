"""A checkpoint comes back bit for bit or not at all, whatever stops the process or the disk."""

import errno
import math
import os
import random
import shutil
import signal
import subprocess
import sys
import textwrap
import time

import numpy as np
import pytest

from nlsq.streaming.phases import checkpoint as module
from nlsq.streaming.phases.checkpoint import (
    PRESENT,
    PREVIOUS,
    Checkpoint,
    CheckpointError,
    CheckpointManager,
    CheckpointWarning,
)

FIT = {"model": "m", "options": "o", "data": "d"}
POSIX = pytest.mark.skipif(os.name == "nt", reason="needs a POSIX system")


def record(counter, size=3):
    numbers = {"array": np.full(size, float(counter)), "counter": np.array(counter)}
    return Checkpoint(FIT, "polish", numbers, {"counter": counter})


def counter_of(checkpoint):
    """The number a record was made of; fails if its parts are of different records."""
    counter = checkpoint.facts["counter"]
    assert checkpoint.numbers["counter"] == counter
    assert (checkpoint.numbers["array"] == counter).all() and len(checkpoint.numbers["array"])
    return counter


def saved(folder, *counters):
    with CheckpointManager(folder) as manager:
        for counter in counters:
            assert manager.save(record(counter))
    return folder


def loaded(folder):
    with CheckpointManager(folder) as manager:
        return manager.load()


# ------------------------------------------------------------------------------------- contents

PAYLOAD_NAN = np.array([0x7FF8DEADBEEF0001, 0xFFF0000000000001], "u8").view("f8")
ARRAYS = {
    "special": np.array([np.nan, np.inf, -np.inf, -0.0, 0.0, 5e-324, 1.7976931348623157e308]),
    "nan payloads": PAYLOAD_NAN,
    "matrix": np.random.default_rng(0).normal(size=(4, 3, 2)),
    "fortran": np.asfortranarray(np.arange(12.0).reshape(3, 4)),
    "strided": np.arange(20.0)[::-3],
    "transposed": np.arange(6).reshape(2, 3).T,
    "big-endian": np.arange(5.0).astype(">f8"),
    "scalar": np.array(2.5),
    "scalar bool": np.array(True),
    "empty": np.zeros((0, 3)),
    "nothing": np.zeros(0, bool),
    "integers": np.array([-(2**63), 2**63 - 1, 0]),
    "bools": np.array([[True, False], [False, True]]),
    "complex": np.array([complex(-0.0, np.nan), complex(np.inf, -0.0), 1 + 2j]),
    "Ångström\n\0": np.ones(1),
}


def test_numbers_come_back_bit_for_bit(tmp_path):
    facts = {
        "pass": 3, "big": 2**70, "cost": 0.1, "none": None, "yes": True, "-0": -0.0,
        "nan": math.nan, "inf": -math.inf, "nested": {"list": [1, [2.5, "µ\n\ud800"]], "": {}},
    }  # fmt: skip
    with CheckpointManager(tmp_path / "new" / "folder") as manager:
        manager.save(Checkpoint(FIT, "phase\nß", ARRAYS, facts))
        back = manager.load()
    assert (back.fingerprint, back.phase) == (FIT, "phase\nß")
    assert repr(back.facts) == repr(facts)
    assert list(back.numbers) == list(ARRAYS)
    for name, array in ARRAYS.items():
        found = back.numbers[name]
        assert found.shape == array.shape and found.dtype == array.dtype.newbyteorder("=")
        assert found.tobytes() == array.astype(found.dtype).tobytes()
        assert found.flags.writeable and found.flags.owndata


@pytest.mark.parametrize(
    ("fields", "match"),
    [
        ({"numbers": {"p": np.zeros(2, "f4")}}, "'p' is float32"),
        ({"numbers": {"p": np.zeros(2, object)}}, "'p' is object"),
        ({"numbers": {"p": np.zeros(2, "i4")}}, "'p' is int32"),
        ({"numbers": {"p": [1.0]}}, "'p' is list"),
        ({"facts": {"pair": (1, 2)}}, "no tuple"),
        ({"facts": {1: 2}}, "no key"),
        ({"facts": {"cost": np.float64(2)}}, "no NumPy number"),
        ({"facts": {"array": np.zeros(2)}}, "not JSON serializable"),
        ({"fingerprint": {"model": None}}, "must be str"),
        ({"phase": 3}, "must be str"),
    ],
)
def test_what_would_not_come_back_is_refused_at_once(fields, match):
    with pytest.raises(TypeError, match=match):
        Checkpoint(**({"fingerprint": FIT, "phase": "polish"} | fields))


# --------------------------------------------------------------------------------------- damage


def damaged(content):
    """Every way to cut the file, and every byte of it with one bit changed."""
    for length in range(len(content)):
        yield content[:length]
    for place in range(len(content)):
        changed = bytearray(content)
        changed[place] ^= 1 << place % 8
        yield bytes(changed)
    yield content + b"\0"


def test_damage_anywhere_is_noticed_and_the_previous_one_is_used(tmp_path):
    present = saved(tmp_path, 1, 2) / PRESENT
    with CheckpointManager(tmp_path) as manager:
        for content in damaged(present.read_bytes()):
            present.write_bytes(content)
            with pytest.warns(CheckpointWarning, match=r"cannot be used.*from the previous one"):
                assert counter_of(manager.load()) == 1


def test_damage_anywhere_without_a_previous_one_is_an_error(tmp_path):
    present = saved(tmp_path, 1) / PRESENT
    with CheckpointManager(tmp_path) as manager:
        for content in damaged(present.read_bytes()):
            present.write_bytes(content)
            with pytest.raises(CheckpointError, match=r"(?s)No checkpoint .*begin anew"):
                manager.load()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda c: c[:-5], r"truncated, \d+ of \d+ bytes"),
        (lambda c: b"", "truncated, only 0 bytes"),
        (lambda c: c[:-1] + bytes([c[-1] ^ 1]), "checksum differs"),
        (lambda c: c[:8] + b"\x02" + c[9:], "version 2 of the format, this nlsq reads 1"),
        (lambda c: b"PK" + c[2:], "does not begin as a checkpoint"),
    ],
)
def test_the_reason_is_told(tmp_path, change, reason):
    present = saved(tmp_path, 1, 2) / PRESENT
    present.write_bytes(change(present.read_bytes()))
    with pytest.warns(CheckpointWarning, match=reason):
        assert counter_of(loaded(tmp_path)) == 1
    (tmp_path / PREVIOUS).unlink()
    with pytest.raises(CheckpointError, match=reason):
        loaded(tmp_path)


def test_a_damaged_checkpoint_never_replaces_the_previous_one(tmp_path):
    (saved(tmp_path, 1, 2) / PRESENT).write_bytes(b"damaged")
    saved(tmp_path, 3)  # without load
    assert counter_of(loaded(tmp_path)) == 3
    shutil.copy(tmp_path / PREVIOUS, tmp_path / PRESENT)
    assert counter_of(loaded(tmp_path)) == 1


def test_an_empty_folder_holds_none(tmp_path):
    assert loaded(tmp_path) is None
    assert list(tmp_path.iterdir()) == []


# -------------------------------------------------------------------------- stops inside of save


class Killed(BaseException):
    """Stops a save where it is; no handler for errors may catch it."""


def stop_at(monkeypatch, step, error):
    """The step-th call to the system in a save fails; returns the list of calls made."""
    calls = []

    def failing(function):
        def call(*args):
            calls.append(function.__name__)
            if len(calls) == step:
                raise error
            return function(*args)

        return call

    monkeypatch.setattr(os, "replace", failing(os.replace))
    monkeypatch.setattr(os, "fsync", failing(os.fsync))
    return calls


STEPS = ["fsync", "replace", "replace", "fsync"]


def test_the_steps_are_those_that_the_tests_stop_at(tmp_path, monkeypatch):
    with CheckpointManager(saved(tmp_path, 1)) as manager:
        calls = stop_at(monkeypatch, None, None)
        manager.save(record(2))
    assert calls == STEPS


@pytest.mark.parametrize("damage", [False, True], ids=["whole", "damaged"])
@pytest.mark.parametrize("step", range(1, len(STEPS) + 1))
def test_a_kill_at_every_step_leaves_a_whole_checkpoint(tmp_path, monkeypatch, step, damage):
    saved(tmp_path / "one", 1, 2)
    if damage:
        (tmp_path / "one" / PRESENT).write_bytes(b"damaged")
    before = 1 if damage else 2
    with CheckpointManager(tmp_path / "one") as manager:
        with monkeypatch.context() as patch:
            stop_at(patch, step, Killed())
            if damage and step == len(STEPS):  # one rename fewer
                assert manager.save(record(3))
            else:
                with pytest.raises(Killed):
                    manager.save(record(3))
        shutil.copytree(tmp_path / "one", tmp_path / "two")  # as a killed process leaves it
    expected = 3 if step > len(STEPS) - 1 - damage else before
    if damage and expected == before:
        with pytest.warns(CheckpointWarning, match="begin as a checkpoint|truncated"):
            assert counter_of(loaded(tmp_path / "two")) == expected
    else:
        assert counter_of(loaded(tmp_path / "two")) == expected
    saved(tmp_path / "two", 4, 5)
    assert sorted(p.name for p in (tmp_path / "two").iterdir()) == [PRESENT, PREVIOUS]
    assert counter_of(loaded(tmp_path / "two")) == 5


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EROFS])
@pytest.mark.parametrize("step", range(1, len(STEPS) + 1))
def test_an_error_at_every_step_loses_nothing_and_the_fit_goes_on(
    tmp_path, monkeypatch, step, code
):
    with CheckpointManager(saved(tmp_path, 1, 2)) as manager:
        with monkeypatch.context() as patch:
            stop_at(patch, step, OSError(code, os.strerror(code)))
            with pytest.warns(CheckpointWarning, match=os.strerror(code)):
                assert not manager.save(record(3))
        assert manager.failure == os.strerror(code)
        assert not (tmp_path / module._TEMPORARY).exists()
        assert counter_of(manager.load()) == (3 if step == len(STEPS) else 2)
        assert manager.save(record(4)) and manager.failure is None
    assert counter_of(loaded(tmp_path)) == 4


def test_a_disk_that_fills_half_way_is_reported_once(tmp_path, monkeypatch):
    class Full:
        """A file on a disk that takes 100 bytes more."""

        def __init__(self, *arguments):
            self.file = open(*arguments)  # noqa: SIM115

        def write(self, content):
            self.file.write(content[:100])
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        def __enter__(self):
            return self

        def __exit__(self, *_):
            self.file.close()

    with CheckpointManager(saved(tmp_path, 1), interval=0) as manager:
        with monkeypatch.context() as patch:
            patch.setattr(module, "open", Full, raising=False)
            with pytest.warns(CheckpointWarning, match="No space left"):
                manager.save(record(2))
            assert not manager.save(record(3))  # a second warning would be an error here
        assert sorted(p.name for p in tmp_path.iterdir()) == [PRESENT, module._LOCK]
        assert counter_of(manager.load()) == 1
        assert manager.save(record(4))
        assert counter_of(manager.load()) == 4


LIMITED = """
    import sys, warnings
    import numpy as np
    from nlsq.streaming.phases.checkpoint import Checkpoint, CheckpointManager
    def save(manager, counter, size):
        numbers = {"array": np.full(size, float(counter)), "counter": np.array(counter)}
        return manager.save(Checkpoint({}, "polish", numbers, {"counter": counter}))
    limit = sys.argv[2] == "limit"
    if limit:
        import resource
        resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, 40_000))
    with CheckpointManager(sys.argv[1]) as manager, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        print(save(manager, 1, 1000), save(manager, 2, 1000))
        print(save(manager, 3, 9000), save(manager, 4, 9000), manager.failure)
        found = manager.load()
        print(found.facts["counter"], (found.numbers["array"] == 2).all())
        print(save(manager, 5, 1000), manager.load().facts["counter"])
        print([w.category.__name__ for w in caught])
"""


def run(source, *arguments, **variables):
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)} | variables
    command = [sys.executable, "-c", textwrap.dedent(source), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


def expect_limited(output, reason):
    assert output.splitlines() == [
        "True True", f"False False {reason}", "2 True", "True 5", "['CheckpointWarning']",
    ]  # fmt: skip


@POSIX
def test_a_file_size_limit_of_the_system(tmp_path):
    expect_limited(run(LIMITED, tmp_path, "limit"), os.strerror(errno.EFBIG))


@POSIX
def test_a_disk_that_is_full(tmp_path):
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(tmp_path)]
    if not shutil.which("mount") or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("may not mount a small file system here")
    try:
        expect_limited(run(LIMITED, tmp_path, "disk"), os.strerror(errno.ENOSPC))
    finally:
        subprocess.run(["umount", str(tmp_path)], check=True)


# ----------------------------------------------------------------------------------- real kills

SAVING = """
    import sys
    import numpy as np
    from nlsq.streaming.phases.checkpoint import Checkpoint, CheckpointManager
    assert "jax" not in sys.modules
    manager = CheckpointManager(sys.argv[1])
    found = manager.load()
    counter = found.facts["counter"] if found else 0
    while True:
        counter += 1
        numbers = {"array": np.full(2000, float(counter)), "counter": np.array(counter)}
        manager.save(Checkpoint({}, "polish", numbers, {"counter": counter}))
        print(counter, flush=True)
"""


@POSIX
def test_a_process_killed_at_any_moment_leaves_its_last_checkpoint(tmp_path):
    """One child after the other is killed and taken up from what it left."""
    chance = random.Random(5)
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", textwrap.dedent(SAVING), str(tmp_path)]
    counter = 0
    for _ in range(15):
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as child:
            first = int(child.stdout.readline())
            time.sleep(chance.uniform(0, 0.05))
            child.send_signal(signal.SIGKILL)
            lines = child.stdout.read().split("\n")[:-1]  # a last line without its end is cut
        assert first == counter + 1
        reported = int(lines[-1]) if lines else first
        with CheckpointManager(tmp_path) as manager:
            counter = counter_of(manager.load())
        assert counter in (reported, reported + 1)


# --------------------------------------------------------------------------- whose checkpoint it is


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"model": "x"}, "the model is not that of"),
        ({"options": "x"}, "the options are not those of"),
        ({"data": "x"}, r"the data are not those of .* \(other content or order\)"),
        ({"model": "x", "data": "x"}, "the model is not .*, and the data are not"),
        ({"devices": "2"}, "devices differs"),
    ],
)
def test_what_differs_is_named(tmp_path, change, words):
    with CheckpointManager(saved(tmp_path / "{folder}", 1)) as manager:
        point = manager.load()
        manager.require(point, dict(FIT))
        with pytest.raises(CheckpointError, match=rf"(?s){words}.*begin anew") as caught:
            manager.require(point, FIT | change)
    assert str(tmp_path / "{folder}") in str(caught.value)


def test_a_missing_part_of_the_fingerprint_differs(tmp_path):
    with (
        CheckpointManager(saved(tmp_path, 1)) as manager,
        pytest.raises(CheckpointError, match="the data are not"),
    ):
        manager.require(manager.load(), {"model": "m", "options": "o"})


# ------------------------------------------------------------------------------- folder and lock


def test_the_clock(tmp_path, monkeypatch):
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    with CheckpointManager(tmp_path, interval=5) as manager:
        assert not manager.due()
        now[0] += 5
        assert manager.due()
        manager.save(record(1))
        assert not manager.due()
    with CheckpointManager(tmp_path, interval=0) as manager:
        assert manager.due()
    for interval in (-1, math.nan):
        with pytest.raises(ValueError, match="interval"):
            CheckpointManager(tmp_path, interval=interval)


def test_a_file_is_no_folder(tmp_path):
    (tmp_path / "file").write_text("")
    for place in ("file", "file/inside"):
        with pytest.raises(CheckpointError, match=r"need a folder .*: it is a file"):
            CheckpointManager(tmp_path / place)


@POSIX
def test_one_fit_at_a_time(tmp_path):
    attempt = "from nlsq.streaming.phases import CheckpointManager as C; import sys; C(sys.argv[1])"
    with CheckpointManager(tmp_path) as manager:
        for _ in range(2):
            with pytest.raises(CheckpointError, match="Another fit is using"):
                CheckpointManager(tmp_path)
        with pytest.raises(AssertionError, match="Another fit is using"):
            run(attempt, tmp_path)
        assert manager.save(record(1))
    run(attempt, tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == [PRESENT]


@POSIX
def test_a_lock_whose_file_the_holder_deletes_is_not_taken(tmp_path, monkeypatch):
    """The one that waits must not hold the lock of a file that is gone."""
    opened, real = [], os.open

    def open_and_delete(path, *arguments):
        handle = real(path, *arguments)
        opened.append(handle)
        if len(opened) == 1:
            os.unlink(path)
        return handle

    with monkeypatch.context() as patch:
        patch.setattr(os, "open", open_and_delete)
        manager = CheckpointManager(tmp_path)
    assert len(opened) == 2
    with manager, pytest.raises(CheckpointError, match="Another fit"):
        CheckpointManager(tmp_path)


@POSIX
def test_a_file_system_without_locks_is_used_with_a_warning(tmp_path, monkeypatch):
    def unsupported(*_):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(module.fcntl, "flock", unsupported)
    with pytest.warns(CheckpointWarning, match="cannot be locked"):
        manager = CheckpointManager(tmp_path)
    with manager:
        assert manager.save(record(1))


def test_without_locks_everything_else_works(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "fcntl", None)
    assert counter_of(loaded(saved(tmp_path, 1, 2))) == 2


def test_removed_and_closed(tmp_path):
    with CheckpointManager(saved(tmp_path, 1, 2)) as manager:
        manager.remove()
        assert manager.load() is None
        manager.remove()
        assert manager.save(record(3))
        assert counter_of(manager.load()) == 3
        manager.remove()
    assert list(tmp_path.iterdir()) == []
    manager.close()
    for call in (manager.load, manager.remove, lambda: manager.save(record(4))):
        with pytest.raises(CheckpointError, match="closed"):
            call()


def test_what_a_kill_left_half_written_is_cleared(tmp_path):
    (tmp_path / module._TEMPORARY).write_bytes(b"half")
    assert loaded(tmp_path) is None
    assert list(tmp_path.iterdir()) == []
