"""What the fit found, how sure it is, and what to be careful about."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QLabel, QVBoxLayout, QWidget

from nlsq.gui_qt.app_state import AppState
from nlsq.gui_qt.widgets.fit_statistics import FitStatisticsWidget
from nlsq.gui_qt.widgets.param_results import ParamResultsWidget


class ResultsPage(QWidget):
    """The page 'results'."""

    def __init__(self, app: AppState, parent: QWidget | None = None):
        super().__init__(parent)
        self._app = app
        self.verdict = self._label("verdict")
        self.warnings = self._label("warnings")
        self.parameters = ParamResultsWidget(app, self)
        self.statistics = FitStatisticsWidget(app, self)
        layout = QVBoxLayout(self)
        layout.addWidget(self.verdict)
        layout.addWidget(self.parameters, stretch=1)
        layout.addWidget(self.statistics)
        layout.addWidget(self.warnings)
        app.result_changed.connect(self.refresh)
        self.refresh()

    def _label(self, name: str) -> QLabel:
        label = QLabel(self)
        label.setObjectName(name)
        label.setWordWrap(True)
        label.setTextFormat(Qt.TextFormat.PlainText)
        label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        return label

    def refresh(self) -> None:
        """Show the last fit."""
        document = self._app.document
        if document is None:
            self.verdict.setText("Nothing was fitted yet.")
            self.warnings.setText("")
            return
        ended = document["convergence"]
        word = "Converged" if ended["success"] else "Not converged"
        self.verdict.setText(f"{word}: {ended['message']}")
        self.warnings.setText("\n".join(f"⚠ {said}" for said in document["warnings"]))
        self.warnings.setVisible(bool(document["warnings"]))
