"""Qt's application with our window."""

from __future__ import annotations

import sys
from pathlib import Path

from PySide6.QtWidgets import QApplication

from nlsq.config import env_flag
from nlsq.gui_qt.app_state import AppState
from nlsq.gui_qt.autosave import AutosaveManager
from nlsq.gui_qt.main_window import MainWindow


def run(arguments: list[str]) -> int:
    """Open the window, with a file where one is named, and return its exit status."""
    application = QApplication([sys.argv[0], *arguments])
    application.setApplicationName("nlsq")
    application.setStyle("Fusion")  # the one style that knows dark everywhere
    window = MainWindow(AppState())
    rest = [word for word in application.arguments()[1:] if not word.startswith("-")]
    if rest:
        window.open(Path(rest[0]))
    autosave = None
    if not env_flag("NLSQ_SAFE_MODE"):
        autosave = AutosaveManager(window.app, window)
        window.session.keep(autosave)
        autosave.start()
    window.show()
    status = application.exec()
    if autosave is not None:
        autosave.stop()
    window.app.wait()
    return status
