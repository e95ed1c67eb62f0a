"""How soon the window can be used, and how long it is frozen: ``python -m
benchmarks.window_speed``.

The cold start is a process of its own, to the first turn of the event loop after the window is
shown. A fit counts from the click until its curve is drawn; beside it stands the longest gap
between two turns of the event loop meanwhile, without the time that other programs had the
processor.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

_START = """
import time
from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QApplication, QMainWindow
show = QMainWindow.show
def shown(window):
    show(window)
    QTimer.singleShot(0, lambda: (print(time.time(), time.process_time()), QApplication.quit()))
QMainWindow.show = shown
from nlsq.gui_qt import run_desktop
run_desktop([])
"""
_MODEL = (
    "import numpy as np\n\ndef f(t, a, tau, w, c):\n    return a*np.exp(-t/tau)*np.sin(w*t) + c\n"
)
_FORMULAS = ("a*exp(-t/tau)*sin(w*t) + c", "a*exp(-t/tau)*cos(w*t) + c")


def cold_start(folder: str) -> str:
    """Seconds on the clock and of the processor."""
    own = {"XDG_DATA_HOME": folder, "XDG_CONFIG_HOME": folder, "PYTHONDONTWRITEBYTECODE": ""}
    found = []
    for _ in range(4):
        began = time.time()
        told = subprocess.run(
            [sys.executable, "-c", _START], env=os.environ | own, capture_output=True, text=True,
            check=True,
        )  # fmt: skip
        shown, used = map(float, told.stdout.split())
        found.append((shown - began, used))
    wall, used = min(found[1:])
    return f"{wall:.2f} s, {used:.2f} s of the processor"


def main() -> None:
    """Print them."""
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    os.environ.setdefault("JAX_PLATFORMS", "cpu")
    from PySide6.QtTest import QTest
    from PySide6.QtWidgets import QApplication

    from nlsq.gui_qt.app_state import AppState
    from nlsq.gui_qt.main_window import MainWindow
    from nlsq.gui_qt.preferences import Preferences
    from tests.gui_watchdog import Watchdog

    with tempfile.TemporaryDirectory() as folder:
        print(f"{'cold start':32} {cold_start(folder)}")
        (Path(folder) / "model.py").write_text(_MODEL)
        confined = {"path": str(Path(folder) / "model.py"), "function": "f"}
        first, other = ({"formula": text} for text in _FORMULAS)
        application = QApplication([])
        application.setStyle("Fusion")
        for words, points, model, backend in (
            ("the first fit", 1000, first, ""), ("another formula", 1000, other, ""),
            ("a confined file", 1000, confined, ""), ("compiled", 100_000, first, "jax"),
            ("10^6 points", 1_000_000, first, ""),
        ):  # fmt: skip
            os.environ["NLSQ_BACKEND"] = backend or "auto"
            t = np.linspace(0, 10, points)
            v = 3 * np.exp(-t / 2.3) * np.sin(3 * t) + 0.5
            v += 0.1 * np.random.default_rng(0).normal(size=points)
            np.savez(Path(folder) / "data.npz", t=t, V=v)
            app = AppState()
            window = MainWindow(app, Preferences(Path(folder) / "preferences.json"))
            window.resize(1280, 760)
            window.show()
            app.open(Path(folder) / "data.npz")
            app.edit("model", model)
            app.edit("fitting.p0", {"a": 2.5, "tau": 2.0, "w": 2.9, "c": 0.4})
            window.navigate_to("fitting")
            QTest.qWait(2000)
            with Watchdog() as dog:
                began = time.perf_counter()
                app.fit()
                while app.running:
                    QTest.qWait(2)
                took = time.perf_counter() - began
                QTest.qWait(100)
            assert app.result.success, app.problems
            print(f"{words:32} {took:6.2f} s, frozen for {1e3 * dog.longest:3.0f} ms at most")
            window.close()


if __name__ == "__main__":
    main()
