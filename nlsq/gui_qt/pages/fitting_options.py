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
    QScrollArea,
    QToolButton,
    QVBoxLayout,
    QWidget,
)  # fmt: skip

from nlsq.gui_qt.adapters.option_adapter import idle, refusal
from nlsq.gui_qt.app_state import AppState
from nlsq.gui_qt.plots.live_cost_plot import LiveCostPlotWidget
from nlsq.gui_qt.presets import PRESETS
from nlsq.gui_qt.widgets.advanced_options import DEFAULT, AdvancedOptionsWidget
from nlsq.gui_qt.widgets.iteration_table import IterationTableWidget
from nlsq.gui_qt.widgets.problem_label import ProblemLabel
from nlsq.types import LossLiteral, MethodLiteral, SearchLiteral

_CHOICES = {
    "method": ("Method", [*get_args(MethodLiteral), *get_args(SearchLiteral)],
               "trf, lm and dogbox fit from the start (lm without bounds); global, multistart and "
               "cmaes look for the best minimum"),
    "preset": ("Search", list(PRESETS),
               "Looks for the best minimum before the fit: from many starts, or by evolution"),
    "loss": ("Loss", list(get_args(LossLiteral)),
             "linear is least squares; the others give outliers less weight"),
    "nan_policy": ("Rows with NaN", ["raise", "omit"], "Refuse them, or leave them out"),
}  # fmt: skip
_STOPPING = "Stopping after this iteration … Press again to end it at once, without a result."


class FittingOptionsPage(QWidget):
    """The page 'fitting'."""

    def __init__(self, app: AppState, parent: QWidget | None = None):
        super().__init__(parent)
        self._app = app
        self.boxes: dict[str, QComboBox] = {}
        self._form = form = QFormLayout()
        for key, (title, words, tip) in _CHOICES.items():
            box = QComboBox(self)
            box.setObjectName(f"fitting {key}")
            box.setAccessibleName(title)
            box.setToolTip(tip)
            box.addItems([DEFAULT, *words])
            for word, means in PRESETS.items() if key == "preset" else ():
                box.setItemData(box.findText(word), means, Qt.ItemDataRole.ToolTipRole)
            box.activated.connect(lambda _, key=key: self._choose(key))
            self.boxes[key] = box
            form.addRow(title, box)
        self.absolute = QCheckBox("The errors of y are in its own units", self)
        self.absolute.setObjectName("absolute sigma")
        self.absolute.setAccessibleName("The errors of y are in its own units")
        self.absolute.setToolTip("Else only their ratios count, and residuals tell their size.")
        self.absolute.clicked.connect(
            lambda on: app.edit("fitting.absolute_sigma", True if on else None)
        )
        form.addRow("", self.absolute)
        self.more = QToolButton(self)
        self.more.setObjectName("advanced options")
        self.more.setAccessibleName("Advanced options")
        self.more.setText("&Advanced options")
        self.more.setToolTip("Tolerances, limits, and how a search goes")
        self.more.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.more.setArrowType(Qt.ArrowType.RightArrow)
        self.more.setCheckable(True)
        self.more.setAutoRaise(True)
        self.more.toggled.connect(self._unfold)
        self.advanced = AdvancedOptionsWidget(app, self)
        self.area = QScrollArea(self)
        self.area.setWidgetResizable(True)
        self.area.setFrameShape(QScrollArea.Shape.NoFrame)
        self.area.setWidget(self.advanced)
        self.area.setFocusPolicy(Qt.FocusPolicy.NoFocus)  # its fields take it
        self.area.hide()
        self.fit = QPushButton("F&it", self)
        self.fit.setObjectName("fit")
        self.fit.setAccessibleName("Fit")
        self.fit.setToolTip("Fit the model to the data, beside the window.")
        self.fit.setDefault(True)
        self.fit.clicked.connect(app.fit)
        self.stop = QPushButton("&Stop", self)
        self.stop.setObjectName("stop")
        self.stop.setAccessibleName("Stop")
        self.stop.setToolTip(
            "End the fit and keep the best point so far; a second press ends it without a result."
        )
        self.stop.clicked.connect(app.stop)
        self.stop.clicked.connect(self.refresh)
        buttons = QHBoxLayout()
        buttons.addWidget(self.fit)
        buttons.addWidget(self.stop)
        self.said = QLabel(self)
        self.said.setObjectName("fit state")
        self.said.setWordWrap(True)
        self.said.setTextFormat(Qt.TextFormat.PlainText)
        self.cost = LiveCostPlotWidget(self)
        app.progressed.connect(self.cost.add)
        app.running_changed.connect(lambda on: self.cost.clear_cost() if on else None)
        self.iterations = IterationTableWidget(app, self)
        layout = QVBoxLayout(self)
        layout.addLayout(form)
        layout.addWidget(self.more)
        layout.addWidget(self.area, stretch=3)
        layout.addLayout(buttons)
        layout.addWidget(self.said)
        layout.addWidget(ProblemLabel(app, "fitting", self))
        layout.addWidget(self.cost, stretch=2)
        layout.addWidget(self.iterations, stretch=2)
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
        self.stop.setText("&End now" if app.stopping and app.running else "&Stop")
        if app.running:
            self.said.setText(_STOPPING if app.stopping else "Fitting …")
        elif not ready:
            self.said.setText("Open data and choose a model first.")
        elif app.document is None:
            self.said.setText("Ready to fit.")
        else:
            self.said.setText(app.document["convergence"]["message"])

    def _choose(self, key: str) -> None:
        text = self.boxes[key].currentText()
        with self._app.step(f"choose the {_CHOICES[key][0].lower()}"):
            if text != DEFAULT and key in ("method", "preset"):
                other = "preset" if key == "method" else "method"
                if refusal(self._app.state.content, key, text):  # each is a search
                    self._app.edit(f"fitting.{other}", None)
            self._app.edit(f"fitting.{key}", None if text == DEFAULT else text)
            if key in ("method", "preset") and not self._search():
                self._app.edit("fitting.n_starts", None)  # which alone would be a search
            for option in idle(self._app.state.get("fitting", {})):
                self._app.edit(f"fitting.{option}", None)
        self.refresh()

    def _search(self) -> bool:
        """Whether a search is chosen."""
        get = self._app.state.get
        return bool(get("fitting.preset")) or get("fitting.method") in get_args(SearchLiteral)

    def _unfold(self, on: bool) -> None:
        self.more.setArrowType(Qt.ArrowType.DownArrow if on else Qt.ArrowType.RightArrow)
        self.area.setVisible(on)
        self.iterations.setVisible(not on)
