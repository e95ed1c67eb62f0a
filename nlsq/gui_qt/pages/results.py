"""What the fit found, how sure it is, and what to be careful about."""

from __future__ import annotations

from PySide6.QtCore import Qt, QTimer
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QHBoxLayout,
    QLabel,
    QSplitter,
    QTabWidget,
    QVBoxLayout,
    QWidget,
)

from nlsq.gui_qt.adapters.ask_adapter import Question
from nlsq.gui_qt.app_state import AppState
from nlsq.gui_qt.plots.histogram_plot import HistogramPlotWidget, QuantilePlotWidget
from nlsq.gui_qt.session_state import DRAWN
from nlsq.gui_qt.theme import ThemeConfig
from nlsq.gui_qt.widgets.correlation_map import CorrelationMapWidget
from nlsq.gui_qt.widgets.fit_statistics import FitStatisticsWidget
from nlsq.gui_qt.widgets.health_report import HealthReportWidget
from nlsq.gui_qt.widgets.param_results import ParamResultsWidget
from nlsq.gui_qt.widgets.tables import named
from nlsq.result.statistics import check_level
from nlsq.session.errors import ProgramError
from nlsq.session.examining import EMPTY, Examination, Spread, examine

_LATER = 60  # ms, in which the fit is drawn before it is examined
_LEVELS = ("68.27 %", "90 %", "95 %", "99 %", "99.73 %")
_NONE = "Nothing was fitted yet."


class ResultsPage(QWidget):
    """The page 'results'."""

    def __init__(self, app: AppState, parent: QWidget | None = None):
        super().__init__(parent)
        self._app = app
        self.verdict = self._label("verdict", "How the fit ended")
        self.warnings = self._label("warnings", "What to be careful about")
        self.parameters = ParamResultsWidget(app, self)
        self.statistics = FitStatisticsWidget(app, self)
        self.health = HealthReportWidget(self)
        self.histogram, self.quantiles = HistogramPlotWidget(self), QuantilePlotWidget(self)
        self.correlations = CorrelationMapWidget(app, self)
        tip = "Click, or press Alt and the letter that is underlined."
        self.parts = named(QTabWidget(self), "results parts", "Parts of the results", tip)
        for title, part in (
            ("&Parameters", _stacked(self.parameters, self.statistics)),
            ("&Health", self.health),
            ("&Residuals", _stacked(self.histogram, self.quantiles)),
            ("C&orrelations", self.correlations),
        ):
            self.parts.addTab(part, title)
        layout = QVBoxLayout(self)
        layout.addWidget(self.verdict)
        layout.addWidget(self.warnings)
        layout.addLayout(self._choices())
        layout.addWidget(self.parts, stretch=1)
        self._later = QTimer(self, interval=_LATER, singleShot=True)
        self._later.timeout.connect(self._examine)
        app.result_changed.connect(self.refresh)
        self.refresh()

    def _label(self, name: str, said: str) -> QLabel:
        label = named(QLabel(self), name, said, "")
        label.setWordWrap(True)
        label.setTextFormat(Qt.TextFormat.PlainText)
        label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        return label

    def _choices(self) -> QHBoxLayout:
        """The level, and what is drawn beside the data."""
        tip = "How often an interval made this way holds the true value."
        self.level = named(QComboBox(self), "confidence level", "Confidence level", tip)
        self.level.setEditable(True)
        self.level.setInsertPolicy(QComboBox.InsertPolicy.NoInsert)
        self.level.addItems(_LEVELS)
        self.level.setFixedWidth(92)
        self.level.lineEdit().editingFinished.connect(self._take_level)
        self.level.activated.connect(self._take_level)
        row = QHBoxLayout()
        row.addWidget(self.level)
        self.boxes: dict[str, QCheckBox] = {}
        for name, (title, tip) in DRAWN.items():
            box = self.boxes[name] = named(QCheckBox(title, self), f"draw {name}", title, tip)
            box.toggled.connect(lambda on, name=name: self._app.draw(name, on))
            row.addWidget(box)
        row.addStretch(1)
        self._show_choices()
        self._app.view_changed.connect(self._show_choices)
        return row

    def _show_choices(self) -> None:
        self.level.setEditText(f"{100 * self._app.state.level:.10g} %")
        for name, box in self.boxes.items():
            box.setChecked(name in self._app.state.draws)

    def _take_level(self, *_) -> None:
        try:
            given = float(self.level.currentText().replace("%", "").replace(",", "."))
            self._app.set_level(check_level(given / 100))
        except ValueError:
            pass
        self._show_choices()  # what was no level goes

    def set_theme(self, theme: ThemeConfig) -> None:
        """Take other colours."""
        self.warnings.setStyleSheet(f"color: {theme.doubtful}")
        self.health.set_theme(theme)
        self.correlations.set_theme(theme)

    def refresh(self) -> None:
        """Show the last fit."""
        document = self._app.document
        self.parts.setTabText(1, "&Health")
        self._show_spread(EMPTY)
        self.warnings.setVisible(bool(document and document["warnings"]))
        if document is None:
            self.verdict.setText(_NONE)
            self.health.show_report(_NONE)
            return
        ended = document["convergence"]
        word = "Converged" if ended["success"] else "Not converged"
        self.verdict.setText(f"{word}: {ended['message']}")
        self.warnings.setText("\n".join(f"⚠ {said}" for said in document["warnings"]))
        self.boxes["standardised"].setEnabled(self._app.result.get("sigma") is not None)
        self.health.show_report("The fit is being examined …")
        self._later.start()

    # -- what is found beside the window ---------------------------------------------------------

    def _examine(self) -> None:
        if (result := self._app.result) is not None:
            Question(lambda *_: examine(result), self, answered=self._take, refused=self._refuse)

    def _take(self, found: Examination) -> None:
        if found.result is not self._app.result:
            return  # of a fit before
        self.health.show_report(found)
        self._show_spread(found.spread)
        if not found.report.is_healthy:
            self.parts.setTabText(1, f"&Health: {found.report.verdict}")

    def _refuse(self, error: ProgramError) -> None:
        self.health.show_report(f"⚠ {error.message} {error.fix}".strip())

    def _show_spread(self, spread: Spread) -> None:
        self.histogram.set_spread(spread)
        self.quantiles.set_spread(spread)


def _stacked(*widgets: QWidget) -> QSplitter:
    both = QSplitter(Qt.Orientation.Vertical)
    for widget in widgets:
        both.addWidget(widget)
    both.setSizes([500, 500])
    both.setChildrenCollapsible(False)
    return both
