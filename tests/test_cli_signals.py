"""Ctrl-C and SIGTERM: the best so far is shown and saved, a checkpoint goes on to the same bits."""

import json
import signal
import subprocess
import time

import numpy as np
import pytest

from tests.program import command, environment, heeding, in_terminal, piped

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


def test_sigterm_before_there_is_a_result(tmp_path, cache):
    arguments = write(tmp_path, 0.01)
    process = subprocess.Popen(
        command("fit", "-", *arguments[2:]), cwd=tmp_path, env=environment(cache),
        stdin=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    time.sleep(3)
    process.terminate()
    assert process.wait(timeout=60) == 75
    assert b"Traceback" not in process.stderr.read()
    process.stdin.close()
    process.stderr.close()
