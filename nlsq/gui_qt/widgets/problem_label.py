"""What is wrong, and what to do about it, in words, at its place."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QLabel, QWidget

from nlsq.gui_qt.app_state import AppState


class ProblemLabel(QLabel):
    """The problem of one section; hidden where there is none."""

    def __init__(self, app: AppState, section: str, parent: QWidget | None = None):
        super().__init__(parent)
        self._app, self._section = app, section
        self.setObjectName(f"{section} problem")
        self.setAccessibleName(f"What is wrong with the {section}")
        self.setWordWrap(True)
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        app.problems_changed.connect(self.show_problem)
        self.show_problem()

    def show_problem(self) -> None:
        """Show what is wrong now."""
        error = self._app.problems.get(self._section)
        self.setVisible(error is not None)
        if error is not None:
            self.setText(f"⚠ {error.message}\n{error.fix}".strip())
