"""How fast a million points pan and zoom: ``xvfb-run python -m benchmarks.frames [POINTS]``.

A frame is a change of the view and everything that is drawn for it, in time of the processor, since
other programs may share it.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from nlsq.gui_qt.app_state import AppState
from nlsq.gui_qt.main_window import MainWindow
from nlsq.gui_qt.preferences import Preferences

FRAMES = 60


def measured(act: Callable[[int], None]) -> str:
    """What so many frames take."""
    took = []
    for k in range(FRAMES):
        before = time.thread_time()
        act(k)
        QApplication.processEvents()
        took.append(time.thread_time() - before)
    return f"{1 / np.mean(took):.0f} frames a second, the slowest {1000 * max(took):.0f} ms"


def main(number: int) -> None:
    """Print frames a second of each way to move."""
    application = QApplication([])
    application.setStyle("Fusion")
    x = np.linspace(0, 100, number)
    noise = 0.05 * np.random.default_rng(3).normal(size=number)
    with tempfile.TemporaryDirectory() as folder:
        np.save(f"{folder}/many.npy", np.column_stack([x, np.exp(-(((x - 42) / 10) ** 2)) + noise]))
        window = MainWindow(AppState(), Preferences(Path(folder) / "preferences.json"))
        window.resize(1366, 768)
        window.show()
        before = time.thread_time()
        window.open(Path(folder) / "many.npy")
        print(f"{number:,} points, opened in {time.thread_time() - before:.2f} s")
        window.app.edit("model", {"name": "gaussian"})
        QTest.qWait(500)
        view = window.plot.view
        print("pan, all seen:  ", measured(lambda k: view.translateBy(x=0.3 * (-1) ** (k // 15))))
        print("zoom in:        ", measured(lambda k: view.scaleBy((0.9, 1))))
        print("zoom out:       ", measured(lambda k: view.scaleBy((1 / 0.9, 1))))
        view.setXRange(40, 45)
        print("pan, 5 % seen:  ", measured(lambda k: view.translateBy(x=0.05)))
        window.close()


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10**6)
