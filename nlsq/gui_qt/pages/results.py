"""What the fit found, how sure it is, and what to be careful about."""

from __future__ import annotations

from PySide6.QtCore import Qt, QTimer
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QHBoxLayout,
    QSplitter,
    QTabWidget,
    QTextBrowser,
    QVBoxLayout,
    QWidget,
)

from nlsq.gui_qt.adapters.fit_adapter import Question
from nlsq.gui_qt.app_state import AppState
from nlsq.gui_qt.plots.histogram_plot import HistogramPlotWidget, QuantilePlotWidget
from nlsq.gui_qt.session_state import DRAWN
from nlsq.gui_qt.theme import LIGHT_THEME, ThemeConfig
from nlsq.gui_qt.widgets.building import filled, sentence, split
from nlsq.gui_qt.widgets.correlation_map import CorrelationMapWidget
from nlsq.gui_qt.widgets.fit_history import FitHistoryWidget
from nlsq.gui_qt.widgets.fit_statistics import FitStatisticsWidget
from nlsq.gui_qt.widgets.named import named
from nlsq.gui_qt.widgets.param_results import ParamResultsWidget
from nlsq.result.statistics import check_level
from nlsq.session import apart
from nlsq.session.examining import EMPTY, Examination, Spread, report_html
from nlsq.session.showing import ending
from nlsq.session.words import read_number
from nlsq.utils.input_error import InputError

_LATER = 60  # ms, in which the fit is drawn before it is examined
_LEVELS = ("68.27 %", "90 %", "95 %", "99 %", "99.73 %")
_NONE = "Nothing was fitted yet."


class ResultsPage(QWidget):
    """The page 'results'."""

    def __init__(self, app: AppState, parent: QWidget | None = None):
        super().__init__(parent)
        self._app = app
        self.verdict = sentence("verdict", "How the fit ended", "", self)
        self.warnings = sentence("warnings", "What to be careful about", "", self)
        self.parameters = ParamResultsWidget(app, self)
        self.statistics = FitStatisticsWidget(app, self)
        tip = "What is wrong with the fit, if anything, and what to do about it."
        self.health = named(QTextBrowser(self), "health report", "Health report", tip)
        self.health.setTabChangesFocus(True)
        self._theme = LIGHT_THEME
        self._question: Question | None = None
        self.histogram, self.quantiles = HistogramPlotWidget(self), QuantilePlotWidget(self)
        self.correlations = CorrelationMapWidget(app, self)
        tip = "Click, or press Alt and the letter that is underlined."
        self.parts = named(QTabWidget(self), "results parts", "Parts of the results", tip)
        for title, part in (
            ("&Parameters", _stacked(self.parameters, self.statistics, grows=0)),
            ("&Health", _stacked(self.health)),
            ("&Residuals", _stacked(self.histogram, self.quantiles)),
            ("C&orrelations", _stacked(self.correlations)),
            ("His&tory", _stacked(FitHistoryWidget(app, self))),
        ):
            self.parts.addTab(part, title)
        said = self.verdict, self.warnings
        filled(QVBoxLayout(self), *said, self._choices(), (self.parts, 1))
        self._later = QTimer(self, interval=_LATER, singleShot=True)
        self._later.timeout.connect(self._examine)
        app.result_changed.connect(self.refresh)
        self.refresh()

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
        self.boxes: dict[str, QCheckBox] = {}
        for name, (title, tip) in DRAWN.items():
            box = self.boxes[name] = named(QCheckBox(title, self), f"draw {name}", title, tip)
            box.clicked.connect(self._take_boxes)
        row = filled(QHBoxLayout(), self.level, *self.boxes.values())
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
            given = read_number(self.level.currentText().replace("%", ""))
            self._app.view(level=check_level(given / 100))
        except ValueError:
            pass
        self._show_choices()  # what was no level goes

    def _take_boxes(self) -> None:
        self._app.view(draws=[name for name, box in self.boxes.items() if box.isChecked()])

    def set_theme(self, theme: ThemeConfig) -> None:
        """Take other colours."""
        self._theme = theme
        self.warnings.setStyleSheet(f"color: {theme.doubtful}")
        self._show_health(self._found)
        self.correlations.set_theme(theme)

    def refresh(self) -> None:
        """Show the last fit."""
        document = self._app.document
        self._show_spread(EMPTY)
        self.warnings.setVisible(bool(document and document["warnings"]))
        if document is None:
            self.verdict.setText(_NONE)
            self._show_health(_NONE)
            return
        self.verdict.setText(ending(document))
        self.warnings.setText("\n".join(f"⚠ {said}" for said in document["warnings"]))
        self.boxes["standardised"].setEnabled(self._app.result.get("sigma") is not None)
        self._show_health("The fit is being examined …")
        self._later.start()

    # -- what is found beside the window ---------------------------------------------------------

    def _examine(self) -> None:
        if self._question is not None:
            self._later.start()  # one after the other
        elif (result := self._app.result) is not None:
            self._question = Question(lambda *_: apart.examine(result), self, answered=self._take)

    def _take(self, found: Examination | InputError | None) -> None:
        self._question = None
        if not isinstance(found, Examination):
            self._show_health(f"⚠ {found or 'It cannot be examined; the terminal says why.'}")
        elif found.result is self._app.result:  # not a fit before
            self._show_health(found)
            self._show_spread(found.spread)

    def _show_health(self, found: Examination | str) -> None:
        self._found, theme, alarms = found, self._theme, ""
        if isinstance(found, str):
            self.health.setPlainText(found)
        else:
            self.health.setHtml(report_html(found.report, theme.good, theme.doubtful, theme.bad))
            alarms = "" if found.report.is_healthy else f": {found.report.verdict}"
        self.parts.setTabText(1, f"&Health{alarms}")

    def _show_spread(self, spread: Spread) -> None:
        self.histogram.set_spread(spread)
        self.quantiles.set_spread(spread)


def _stacked(*parts: QWidget, grows: int = 1) -> QSplitter:
    """One above the other; the last takes its share of a larger window, or not."""
    stack = split(Qt.Orientation.Vertical, dict.fromkeys(parts, 260), None)
    for at in range(len(parts)):
        stack.setStretchFactor(at, grows if at else 1)
    stack.setChildrenCollapsible(False)
    return stack
