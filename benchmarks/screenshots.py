"""Pictures of every page of the window in both themes: ``python -m benchmarks.screenshots FOLDER``.

The data are NIST's Thurber (`examples/thurber.csv`), fitted with its rational function.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from nlsq.gui_qt.app_state import AppState
from nlsq.gui_qt.main_window import MainWindow
from nlsq.gui_qt.preferences import Preferences
from nlsq.gui_qt.session_state import PAGES
from nlsq.session.configuration import Configuration

EXAMPLE = Path(__file__).parent.parent / "examples" / "thurber.yaml"


def main() -> None:
    """Fit, and save ``PAGE-THEME.png`` for each."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.screenshots", description=__doc__.splitlines()[0]
    )
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    application = QApplication([])
    application.setStyle("Fusion")
    app = AppState()
    for section in ("data", "model", "fitting"):
        app.put(section, Configuration.read(EXAMPLE).content[section])
    window = MainWindow(app, Preferences(folder / "preferences.json"))
    window.resize(1366, 768)
    window.show()
    app.fit()
    while app.running:
        QTest.qWait(20)
    for theme in ("light", "dark"):
        window.set_theme(theme)
        for page in PAGES:
            window.navigate_to(page)
            QTest.qWait(200)
            window.grab().save(str(folder / f"{page}-{theme}.png"))
    window.close()


if __name__ == "__main__":
    main()
