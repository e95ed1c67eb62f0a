"""Kill windows with SIGKILL at random moments, as they are edited and fit: ``python -m
tests.gui_kill 50``. Each next window must be offered a session that was current just before.

One process has everything imported and forks a window for each kill, before Qt has any thread.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent
INTERVAL = 0.02  # short, so that many kills come while it writes
LATE = 2.0  # seconds that a busy machine may add to it


def edit(app, rng: random.Random) -> None:
    """One edit as a person makes it, or a fit."""
    act = rng.choice(["start", "bounds", "loss", "model", "columns", "mask", "undo", "redo", "fit"])
    if act == "start":
        app.edit("fitting.p0", {"a": rng.gauss(3, 1), "tau": 10 ** rng.uniform(-300, 300)})
    elif act == "bounds":
        app.edit("fitting.bounds", {"tau": [rng.random(), None]})
    elif act == "loss":
        app.edit("fitting.loss", rng.choice(["huber", "cauchy", None]))
    elif act == "model":
        app.edit("model", {"formula": f"a*exp(-t/tau) + {rng.random()!r}"})
    elif act == "columns":
        app.edit("data.columns.y", rng.choice(["V", "2*V", None]))
    elif act == "mask":
        app.edit("data.exclude", rng.choice(["3", "1-4,7", None]))
    elif act == "fit":
        app.fit()
    elif act == "redo" or app.history.index() > 1:  # an empty session is not offered
        getattr(app.history, act)()


def live(folder: Path, seed: int) -> None:
    """A window that recovers what there is, is edited and tells each state, until it is killed."""
    from PySide6.QtCore import QTimer
    from PySide6.QtWidgets import QApplication, QPushButton

    from nlsq.gui_qt.app_state import AppState
    from nlsq.gui_qt.autosave import AutosaveManager
    from nlsq.gui_qt.main_window import MainWindow
    from nlsq.gui_qt.preferences import Preferences

    application = QApplication([])
    window = MainWindow(AppState(), Preferences(folder / "window.json"))
    manager = AutosaveManager(window.app, window, folder / "kept", INTERVAL)
    window.session.keep(manager)
    manager.start()
    window.show()
    told = os.open(folder / f"{seed}.log", os.O_CREAT | os.O_WRONLY | os.O_APPEND)

    def tell() -> None:
        os.write(told, json.dumps([time.monotonic(), window.app.state.content]).encode() + b"\n")

    if (offer := window.notice.findChild(QPushButton, "notice restore it")) is not None:
        offer.click()
    tell()
    if window.app.state.get("data") is None:
        window.app.open(folder / "data.csv")
        tell()
    rng, timer = random.Random(seed), QTimer()

    def step() -> None:
        edit(window.app, rng)
        tell()

    timer.timeout.connect(step)
    timer.start(7)
    application.exec()


def nursery(folder: Path) -> None:
    """For each line, a number, fork a window and say its process; at the next line it has ended."""
    import nlsq.gui_qt.main_window
    import nlsq.session.running  # noqa: F401

    child = 0
    for line in sys.stdin:
        if child:
            os.waitpid(child, 0)
        child = os.fork()
        if not child:
            live(folder, int(line))
            os._exit(0)
        print(child, flush=True)


def states(log: Path) -> list:
    """What a window told: (time, content); the last line may be cut."""
    return [json.loads(line) for line in log.read_bytes().split(b"\n")[:-1]]


def kill_many(count: int, seed: int = 0) -> list[float]:
    """How many seconds of work each kill has cost; AssertionError where a session was not kept."""
    lost, rng = [], random.Random(seed)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        (folder / "data.csv").write_text(
            "t,V\n" + "".join(f"{i},{9 / (i + 1)}\n" for i in range(30))
        )
        with subprocess.Popen(
            [sys.executable, "-c", f"from tests.gui_kill import *; nursery(Path({place!r}))"],
            cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env=os.environ | {"QT_QPA_PLATFORM": "offscreen"},
        ) as windows:  # fmt: skip
            before, killed = [], 0.0
            for number in range(count + 1):
                windows.stdin.write(f"{number}\n")
                windows.stdin.flush()
                process = int(windows.stdout.readline())
                log = folder / f"{number}.log"
                given_up = time.monotonic() + 60
                while not (log.exists() and len(states(log)) > 3):
                    assert time.monotonic() < given_up, f"window {number} does nothing"
                    time.sleep(0.01)
                time.sleep(rng.uniform(0, 0.3))
                os.kill(process, signal.SIGKILL)
                now = time.monotonic()
                told = states(log)
                if number:
                    lost.append(lost_time(before, killed, told[0][1]))
                before, killed = told, now
    return lost


def lost_time(before: list, killed: float, restored: dict) -> float:
    """Seconds from when the restored session was last current until the kill."""
    ends = [start for start, _ in before[1:]] + [killed]
    current = [end for end, (_, content) in zip(ends, before, strict=True) if content == restored]
    assert restored and current, f"restored was never current: {restored}"
    return killed - max(current)


if __name__ == "__main__":
    found = kill_many(int(sys.argv[1]), seed=1)
    print(f"{len(found)} of {len(found)} sessions restored; at most {max(found):.3f} s lost")
