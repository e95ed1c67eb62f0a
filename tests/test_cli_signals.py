"""Ctrl-C and SIGTERM: the best so far is shown and saved, a checkpoint goes on to the same bits."""

import contextlib
import ctypes
import gc
import json
import signal
import subprocess
import sys
import threading
import time
import warnings
import weakref
from pathlib import Path

import numpy as np
import pytest

from nlsq import curve_fit
from nlsq.result.minima import INTERRUPTED
from nlsq.streaming.sources import ArraySource
from nlsq.streaming.survey import PART, survey
from nlsq.utils import interruption
from tests.program import command, environment, heeding, in_terminal, piped

# ------------------------------------------------------------- where an exception would be lost


class Thing:
    """What can be referred to weakly."""


def in_a_finaliser(act):
    class Last(Thing):
        def __del__(self):
            act()

    Last()


def in_a_weak_reference(act):
    thing = Thing()
    _ = weakref.ref(thing, lambda _: act())
    del thing


def in_the_garbage_collector(act):
    def callback(phase, info):
        if phase == "start":
            act()

    gc.callbacks.append(callback)
    gc.collect()
    gc.callbacks.remove(callback)


def in_a_callback_of_c(act):
    kind = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)

    def compare(a, b):
        act()
        return 0

    ctypes.CDLL(None).qsort((ctypes.c_int * 2)(1, 2), 2, 4, kind(compare))


LOSING = [
    in_a_finaliser, in_a_weak_reference, in_the_garbage_collector,
    pytest.param(
        in_a_callback_of_c, marks=pytest.mark.skipif("sys.platform == 'win32'", reason="no qsort")
    ),
]  # fmt: skip


@pytest.fixture
def heeding_signals():
    """Ctrl-C counts here too, where the tests run in the background of a shell."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    signal.signal(signal.SIGINT, before)


def ctrl_c():
    signal.raise_signal(signal.SIGINT)


@pytest.mark.parametrize("place", LOSING)
def test_a_signal_is_not_lost_where_an_exception_is(place, heeding_signals):
    with pytest.raises(KeyboardInterrupt), interruption.deferred():
        place(ctrl_c)
        reached = True
    assert reached
    with pytest.raises(KeyboardInterrupt), interruption.deferred():
        place(ctrl_c)
        interruption.check()
        raise AssertionError("check let it pass")
    interruption.check()  # nothing is left over


@pytest.mark.parametrize("place", LOSING)
def test_a_fit_ends_at_a_signal_that_would_be_lost(place, heeding_signals):
    t = np.linspace(0, 5, 30)
    calls = []

    def model(t, a, tau, c):
        calls.append(a)
        if len(calls) == 15:
            place(ctrl_c)
        return a * np.exp(-t / tau) + c

    y = 3 * np.exp(-t / 2) + 0.5
    result = curve_fit(model, t, y, [30.0, 0.4, -9.0], jac="2-point")
    assert (result.status, result.success) == (-4, False)
    assert result.cost == pytest.approx(0.5 * np.sum((model(t, *result.popt) - y) ** 2))


def test_a_search_that_is_interrupted_keeps_its_best(heeding_signals):
    t = np.linspace(0, 10, 60)
    y = 2 * np.sin(3 * t + 0.5) + 0.1 * np.cos(40 * t)
    calls, at = [], 0

    def model(t, a, w, phi):
        calls.append(a)
        if len(calls) == at:
            ctrl_c()
        return a * np.sin(w * t + phi)

    whole = curve_fit(model, t, y, method="global")
    total, told = len(calls), 0
    for share in (0.6, 0.75, 0.9, 0.97, 0.98):
        calls, at = [], int(share * total)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            found = curve_fit(model, t, y, method="global")
        cut = found.minima.stopped == INTERRUPTED
        assert cut != (found.minima.stopped == whole.minima.stopped)
        assert cut == any("interruption ended the search" in str(w.message) for w in caught)
        assert cut == ("there may be a better minimum" in " ".join(found.summary().split()))
        assert cut or found.status == -4 or found.success
        assert found.cost == pytest.approx(0.5 * np.sum((model(t, *found.popt) - y) ** 2))
        told += cut
    assert told >= 2
    at = 1
    with pytest.raises(KeyboardInterrupt):
        calls = []
        curve_fit(model, t, y, method="global")  # before there is anything to keep


def test_what_a_block_does_with_signals(heeding_signals):
    told = []
    with interruption.deferred(signal.SIGTERM, tell=lambda: told.append(1)):
        with interruption.deferred():
            ctrl_c()  # tells whoever is outside
        signal.raise_signal(signal.SIGTERM)
        other = threading.Thread(target=interruption.acted_upon)  # whose business it is not
        other.start()
        other.join()
        with pytest.raises(KeyboardInterrupt):
            interruption.check()
        assert interruption.heard(signal.SIGINT) and interruption.heard() and len(told) == 2
        interruption.acted_upon()
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL and not interruption.heard()
    with pytest.raises(KeyboardInterrupt), interruption.deferred():
        ctrl_c()
        interruption.acted_upon()
        ctrl_c()  # the second one raises at once
        raise AssertionError("it did not")
    with pytest.raises(KeyboardInterrupt), interruption.deferred():
        ctrl_c()
        raise ValueError("which does not hide it")
    own = signal.signal(signal.SIGINT, lambda *_: told.append(2))
    with interruption.deferred():  # a program's own handler stays
        ctrl_c()
    assert told[-1] == 2
    signal.signal(signal.SIGINT, own)


def test_ctrl_c_ends_the_differences_of_a_slow_model(heeding_signals):
    calls = []

    def line(x, *p):
        calls.append(p)
        if len(calls) == 5:
            ctrl_c()
        return sum(p) * x

    with pytest.raises(KeyboardInterrupt):
        curve_fit(line, np.arange(50.0), np.arange(50.0), np.ones(30), jac="2-point")
    assert len(calls) < 9


class Pressed(ArraySource):
    """A source at whose second reading Ctrl-C is pressed."""

    readings = 0

    def read_into(self, start, out):
        self.readings += 1
        if self.readings == 2:
            ctrl_c()
        super().read_into(start, out)


def test_ctrl_c_ends_the_first_reading_of_a_source(heeding_signals):
    source = Pressed(np.arange(30.0 * PART), np.zeros(30 * PART))
    with pytest.raises(KeyboardInterrupt), interruption.deferred():
        survey(source, PART, False, True, lambda count: None)
    assert source.readings < 25


FORKING = """
import multiprocessing, os, signal
from nlsq.utils import interruption

if __name__ == "__main__":
    interruption.listen(os._exit, signal.SIGINT, signal.SIGTERM)
    with interruption.deferred():
        pool = multiprocessing.get_context("fork").Pool(2)
        print(pool.map(abs, [-1, -2]))
        pool.terminate()  # by SIGTERM, which is not this process's
        pool.join()
        assert not interruption.heard()
"""


@pytest.mark.skipif("sys.platform == 'win32'", reason="no fork")
def test_signals_to_forked_processes_are_their_own():
    done = subprocess.run([sys.executable, "-c", FORKING], capture_output=True, timeout=60)
    assert (done.returncode, done.stdout) == (0, b"[1, 2]\n"), done.stderr


# --------------------------------------------------------------------------------- the program

SLOW = """
import time


def slow(t, a, tau, c):
    time.sleep({pause})
    return [float(a) * 2.718281828459045 ** (-float(u) / float(tau)) + float(c) for u in t]
"""


@pytest.fixture(scope="session")
def cache(tmp_path_factory):
    return tmp_path_factory.getbasetemp().parent / "compiled"


def write(folder, pause):
    t = np.linspace(0, 5, 30)
    v = 3 * np.exp(-t / 2) + 0.5 + 0.01 * np.sin(9 * t)
    np.savetxt(folder / "data.csv", np.stack([t, v], axis=1), delimiter=",")
    (folder / "slow.py").write_text(SLOW.format(pause=pause))
    return (
        "fit",
        "data.csv",
        "-m",
        "slow.py:slow",
        "--trust",
        "--p0",
        "30,0.4,-9",
        "-o",
        "best.json",
    )


def test_ctrl_c_once_shows_and_saves_the_best_so_far(tmp_path, cache):
    code, shown = in_terminal(write(tmp_path, 0.15), tmp_path, environment(cache), until="fitting")
    assert code == 4, shown
    assert "not converged" in shown
    assert "nterrupt" in shown
    found = json.loads((tmp_path / "best.json").read_text())
    assert found["convergence"]["success"] is False
    assert len(found["popt"]) == 3


def test_ctrl_c_twice_aborts(tmp_path, cache):
    arguments = write(tmp_path, 3.0)
    text = (tmp_path / "slow.py").read_text()
    (tmp_path / "slow.py").write_text(
        text.replace("    time.sleep", "    print('here', flush=True)\n    time.sleep")
    )
    process = subprocess.Popen(
        heeding(*arguments), cwd=tmp_path, env=environment(cache), stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout.readline() == b"here\n"
    for _ in range(60):
        if process.poll() is not None:
            break
        process.send_signal(signal.SIGINT)
        time.sleep(0.4)
    _, stderr = process.communicate(timeout=120)
    assert process.returncode == 130, stderr
    assert b"Traceback" not in stderr
    assert not (tmp_path / "best.json").exists()


def test_sigterm_leaves_a_checkpoint_that_goes_on_to_the_same_bits(tmp_path, cache):
    import h5py

    m = 3_000_000
    t = np.linspace(0, 6, m)
    v = 2.5 * np.exp(-1.3 * t) + 0.5 + 0.1 * np.random.default_rng(0).normal(size=m)
    with h5py.File(tmp_path / "long.h5", "w") as file:
        file["t"], file["v"] = t, v
    arguments = (
        "fit", "long.h5", "-x", "t", "-y", "v", "-m", "a*exp(-b*t)+c*cos(exp(cos(exp(sin(t))))*0)",
        "--json", "--checkpoint",
    )  # fmt: skip
    whole = piped((*arguments, "undisturbed"), tmp_path, environment(cache))
    assert whole.returncode == 0, whole.stderr
    process = subprocess.Popen(
        command(*arguments, "state", "--set", "workflow.checkpoint_interval=0"), cwd=tmp_path,
        env=environment(cache), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    folder = tmp_path / "state"
    while not list(folder.glob("fit.checkpoint")):
        assert process.poll() is None, process.communicate()
        time.sleep(0.002)
    process.terminate()
    _, stderr = process.communicate(timeout=120)
    assert process.returncode == 75, stderr
    assert b"nlsq resume" in stderr
    resumed = piped(("resume", "state", "--json"), tmp_path, environment(cache))
    assert resumed.returncode == 0, resumed.stderr
    for key in ("popt", "pcov"):
        assert json.loads(resumed.stdout)[key] == json.loads(whole.stdout)[key]


@pytest.mark.parametrize(
    "number, code, said",
    [(signal.SIGTERM, 75, b"Terminated before"), (signal.SIGINT, 130, b"Interrupted.")],
)
def test_a_signal_before_there_is_a_result(tmp_path, cache, number, code, said):
    arguments = write(tmp_path, 0.01)
    process = subprocess.Popen(
        heeding("fit", "-", *arguments[2:]), cwd=tmp_path, env=environment(cache),
        stdin=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    with contextlib.suppress(FileNotFoundError):  # no /proc: at some moment
        while process.poll() is None and not _caught(process.pid) & 1 << signal.SIGTERM - 1:
            time.sleep(0.01)
    process.send_signal(number)
    _, stderr = process.communicate(timeout=60)
    assert (process.returncode, stderr.count(b"\n")) == (code, 1) and said in stderr


def _caught(pid):
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(li for li in lines if li.startswith("SigCgt")).split()[1], 16)
