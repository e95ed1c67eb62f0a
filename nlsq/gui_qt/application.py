"""Qt's application with our window."""

from __future__ import annotations

import sys
from pathlib import Path

from PySide6.QtWidgets import QApplication

from nlsq.gui_qt.app_state import AppState
from nlsq.gui_qt.main_window import MainWindow


def run(arguments: list[str]) -> int:
    """Open the window, with a data file where one is named, and return its exit status."""
    application = QApplication([sys.argv[0], *arguments])
    application.setApplicationName("nlsq")
    application.setStyle("Fusion")  # the one style that knows dark everywhere
    app = AppState()
    rest = [word for word in application.arguments()[1:] if not word.startswith("-")]
    if rest:
        app.open(Path(rest[0]))
    window = MainWindow(app)
    window.show()
    return application.exec()
