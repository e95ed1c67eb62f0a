"""How to fit, the fit itself, and what it does while it runs."""

from __future__ import annotations

from typing import get_args

from PySide6.QtCore import Qt
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QVBoxLayout,
    QWidget,
)  # fmt: skip

from nlsq.gui_qt.app_state import AppState
from nlsq.gui_qt.widgets.iteration_table import IterationTableWidget
from nlsq.gui_qt.widgets.problem_label import ProblemLabel
from nlsq.types import LossLiteral, MethodLiteral, SearchLiteral

DEFAULT = "(default)"
_CHOICES = {
    "method": ("Method", [*get_args(MethodLiteral), *get_args(SearchLiteral)],
               "trf fits from the start; global, multistart and cmaes look for the best minimum"),
    "loss": ("Loss", list(get_args(LossLiteral)),
             "linear is least squares; the others give outliers less weight"),
    "nan_policy": ("Rows with NaN", ["raise", "omit"], "Refuse them, or leave them out"),
}  # fmt: skip


class FittingOptionsPage(QWidget):
    """The page 'fitting'."""

    def __init__(self, app: AppState, parent: QWidget | None = None):
        super().__init__(parent)
        self._app = app
        self.boxes: dict[str, QComboBox] = {}
        form = QFormLayout()
        for key, (title, words, tip) in _CHOICES.items():
            box = QComboBox(self)
            box.setObjectName(f"fitting {key}")
            box.setAccessibleName(title)
            box.setToolTip(tip)
            box.addItems([DEFAULT, *words])
            box.activated.connect(lambda _, key=key: self._choose(key))
            self.boxes[key] = box
            form.addRow(title, box)
        self.absolute = QCheckBox("The errors of y are in its own units", self)
        self.absolute.setObjectName("absolute sigma")
        self.absolute.setToolTip("Else only their ratios count, and residuals tell their size.")
        self.absolute.clicked.connect(
            lambda on: app.edit("fitting.absolute_sigma", True if on else None)
        )
        form.addRow("", self.absolute)
        self.fit = QPushButton("&Fit", self)
        self.fit.setObjectName("fit")
        self.fit.setDefault(True)
        self.fit.clicked.connect(app.fit)
        self.stop = QPushButton("&Stop", self)
        self.stop.setObjectName("stop")
        self.stop.setToolTip("End the fit and keep the best point so far.")
        self.stop.clicked.connect(app.stop)
        buttons = QHBoxLayout()
        buttons.addWidget(self.fit)
        buttons.addWidget(self.stop)
        self.said = QLabel(self)
        self.said.setObjectName("fit state")
        self.said.setWordWrap(True)
        self.said.setTextFormat(Qt.TextFormat.PlainText)
        self.iterations = IterationTableWidget(app, self)
        layout = QVBoxLayout(self)
        layout.addLayout(form)
        layout.addLayout(buttons)
        layout.addWidget(self.said)
        layout.addWidget(ProblemLabel(app, "fitting", self))
        layout.addWidget(self.iterations, stretch=1)
        for signal in (
            app.fitting_changed, app.running_changed, app.data_changed, app.model_changed,
            app.result_changed,
        ):  # fmt: skip
            signal.connect(self.refresh)
        self.refresh()

    def refresh(self, *_) -> None:
        """Show the settings, and what can be done now."""
        app = self._app
        for key, box in self.boxes.items():
            box.setCurrentText(app.state.get(f"fitting.{key}", DEFAULT))
        self.absolute.setChecked(bool(app.state.get("fitting.absolute_sigma")))
        self.absolute.setEnabled(app.state.get("data.columns.sigma") is not None)
        ready = app.points is not None and app.model is not None
        self.fit.setEnabled(ready and not app.running)
        self.stop.setEnabled(app.running)
        if app.running:
            self.said.setText("Fitting …")
        elif not ready:
            self.said.setText("Open data and choose a model first.")
        elif app.document is None:
            self.said.setText("Ready to fit.")
        else:
            self.said.setText(app.document["convergence"]["message"])

    def _choose(self, key: str) -> None:
        text = self.boxes[key].currentText()
        self._app.edit(f"fitting.{key}", None if text == DEFAULT else text)
