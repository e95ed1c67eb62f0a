"""Pictures of every page of the window in both themes: ``python -m benchmarks.screenshots``.

They are those of `docs/window.md`, in ``docs/window``; another folder may be named. The data are
NIST's Thurber (`examples/thurber.csv`), fitted with its rational function. QT_SCALE_FACTOR=2 shows
what a dense screen does; without a screen, run it by xvfb-run.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from pathlib import Path

import numpy as np
from PySide6.QtGui import QImage
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from nlsq.gui_qt.app_state import AppState
from nlsq.gui_qt.main_window import MainWindow
from nlsq.gui_qt.preferences import Preferences
from nlsq.gui_qt.session_state import PAGES, THEMES

ROOT = Path(__file__).parent.parent
CONTENT = {
    "data": {"input_file": "thurber.csv", "columns": {"x": "log_density", "y": "mobility"}},
    "model": {
        "formula": "(b1 + b2*x + b3*x^2 + b4*x^3)/(1 + b5*x + b6*x^2 + b7*x^3)", "variable": "x",
    },
    "fitting": {
        "p0": dict(zip("b1 b2 b3 b4 b5 b6 b7".split(), (1000, 1000, 400, 40, 0.7, 0.3, 0.03),
                       strict=True)),
    },
}  # fmt: skip


def small(image: QImage) -> QImage:
    """The picture with its 256 most frequent colours, a third of the bytes."""
    image = image.convertToFormat(QImage.Format.Format_RGB32)
    pixels = np.frombuffer(image.constBits(), np.uint32)
    colours, counts = np.unique(pixels, return_counts=True)
    kept = colours[np.argsort(-counts)[:256]]
    return image.convertToFormat(QImage.Format.Format_Indexed8, kept.tolist())


def main() -> None:
    """Fit, and save ``PAGE-THEME.png`` for each."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.screenshots", description=__doc__.splitlines()[0]
    )
    parser.add_argument("folder", type=Path, nargs="?", default=ROOT / "docs" / "window")
    folder = parser.parse_args().folder.absolute()
    folder.mkdir(parents=True, exist_ok=True)
    os.chdir(ROOT / "examples")  # so that no picture shows whose machine this is
    application = QApplication([])
    application.setStyle("Fusion")
    with tempfile.TemporaryDirectory() as own:
        window = MainWindow(AppState(), Preferences(Path(own) / "window.json"))
        window.resize(1366, 768)
        window.show()
        window.app.edit("", CONTENT)
        window.app.fit()
        while window.app.running:
            QTest.qWait(20)
        window.sidebar.setFocus()
        for theme in THEMES[1:]:
            window.set_theme(theme)
            for page in PAGES:
                window.navigate_to(page)
                QTest.qWait(200)
                small(window.grab().toImage()).save(str(folder / f"{page}-{theme}.png"))
        window.close()


if __name__ == "__main__":
    main()
