"""How to fit, the fit itself, and what it does while it runs."""

from __future__ import annotations

from typing import get_args

import numpy as np
from PySide6.QtCore import Qt
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QFormLayout,
    QHBoxLayout,
    QPushButton,
    QToolButton,
    QVBoxLayout,
    QWidget,
)  # fmt: skip

from nlsq.gui_qt.app_state import AppState
from nlsq.gui_qt.plots.live_cost_plot import LiveCostPlotWidget
from nlsq.gui_qt.presets import PRESETS
from nlsq.gui_qt.widgets.advanced_options import AdvancedOptionsWidget, show_choice
from nlsq.gui_qt.widgets.building import filled, scrolled, sentence
from nlsq.gui_qt.widgets.group_fits import GroupFitsWidget
from nlsq.gui_qt.widgets.iteration_table import IterationTableWidget
from nlsq.gui_qt.widgets.named import named
from nlsq.gui_qt.widgets.problem_label import ProblemLabel
from nlsq.session.options import default_of, idle, refusal, unsuitable
from nlsq.session.showing import ending
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
_ABSOLUTE = "Off: only their ratios count, and the residuals tell their size."
_NO_ERRORS = "For data with errors of y: choose their column on the page Data."
_STOP = "End the fit and keep the best point so far; a second press ends it without a result."
_STOPPING = "Stopping after this iteration … Press again to end it at once, without a result."


class FittingOptionsPage(QWidget):
    """The page 'fitting'."""

    def __init__(self, app: AppState, parent: QWidget | None = None):
        super().__init__(parent)
        self._app = app
        self.boxes: dict[str, QComboBox] = {}
        self._form = QFormLayout()
        self._fill_form()
        self.more = named(QToolButton(self), "advanced options", "Advanced options",
                          "Tolerances, limits, and how a search goes")  # fmt: skip
        self.more.setText("A&dvanced options")
        self.more.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.more.setArrowType(Qt.ArrowType.RightArrow)
        self.more.setCheckable(True)
        self.more.setAutoRaise(True)
        self.more.toggled.connect(self._unfold)
        self.advanced = AdvancedOptionsWidget(app, self)
        self.area = scrolled(self.advanced, self)
        self.area.hide()
        self.fit = named(QPushButton("F&it", self), "fit", "Fit",
                         "Fit the model to the data, beside the window.")  # fmt: skip
        self.fit.setDefault(True)
        self.fit.clicked.connect(app.fit)
        self.stop = named(QPushButton("&Stop", self), "stop", "Stop", _STOP)
        self.stop.clicked.connect(app.stop)
        self.stop.clicked.connect(self.refresh)
        buttons = filled(QHBoxLayout(), self.fit, self.stop)
        self.said = sentence("fit state", "How far the fit is", "", self)
        self.cost = LiveCostPlotWidget(self)
        app.progressed.connect(self.cost.add)
        app.running_changed.connect(self._run)
        self.iterations = IterationTableWidget(app, self)
        self.many: GroupFitsWidget | None = None  # until a column of groups is chosen
        app.progressed.connect(self._say)
        said = self.said, ProblemLabel(app, "fitting", self)
        filled(QVBoxLayout(self), self._form, self.more, (self.area, 3), buttons, *said,
               (self.cost, 2), (self.iterations, 2))  # fmt: skip
        for signal in (
            app.fitting_changed, app.running_changed, app.data_changed, app.model_changed,
            app.result_changed, app.start_changed,
        ):  # fmt: skip
            signal.connect(self.refresh)
        self.refresh()

    def _fill_form(self) -> None:
        """Put the choices of each fit into the form."""
        app, form = self._app, self._form
        for key, (title, words, tip) in _CHOICES.items():
            box = named(QComboBox(self), f"fitting {key}", title, tip)
            box.addItems(["", *words])
            box.activated.connect(lambda at, key=key: self._choose(key, at))
            self.boxes[key] = box
            form.addRow(title, box)
        tip = "Fit all groups at once, or one by itself"
        self.only = named(QComboBox(self), "fitting only", "Of the groups", tip)
        policy = QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
        self.only.setSizeAdjustPolicy(policy)  # others measure all of thousands
        self.only.activated.connect(
            lambda at: app.edit("data.only", self.only.itemText(at) if at else None)
        )
        form.addRow("Of the groups", self.only)
        self.absolute = QCheckBox(said := "The errors of y are in the units of y", self)
        named(self.absolute, "absolute sigma", said, _ABSOLUTE)
        self.absolute.clicked.connect(
            lambda on: app.edit("fitting.absolute_sigma", True if on else None)
        )
        form.addRow("", self.absolute)

    def refresh(self, *_) -> None:
        """Show the settings, and what can be done now."""
        app = self._app
        fitting = app.state.get("fitting", {})
        for key, box in self.boxes.items():
            show_choice(box, default_of(key, fitting), fitting.get(key))
        self._rule_out()
        known = app.state.get("data.columns.sigma") is not None
        self.absolute.setChecked(bool(app.state.get("fitting.absolute_sigma")))
        self.absolute.setEnabled(known)
        self.absolute.setToolTip(_ABSOLUTE if known else _NO_ERRORS)
        ready = app.points is not None and app.model is not None
        self.fit.setEnabled(ready and not app.running)
        self._show_groups()
        self.stop.setEnabled(app.running)
        self.stop.setText("End n&ow" if app.stopping and app.running else "&Stop")
        self._say()

    def _rule_out(self) -> None:
        """Disable what does not suit the rest, and say why."""
        start, content = self._app.start, self._app.state.content
        bounded = start is not None and bool(np.isfinite([start.lb, start.ub]).any())
        for key in ("method", "preset", "loss"):
            box = self.boxes[key]
            for at in range(1, box.count()):
                word = box.itemText(at)
                why = unsuitable(key, word, content, bounded)
                box.model().item(at).setEnabled(not why)
                tip = why or (PRESETS[word] if key == "preset" else "")
                box.setItemData(at, tip, Qt.ItemDataRole.ToolTipRole)

    def _run(self, on: bool) -> None:
        if on:
            self.cost.clear_cost()
            self.more.setChecked(self.more.isChecked() and not self._app.fits_groups)

    def _say(self, *_) -> None:
        app = self._app
        if app.running:
            self.said.setText(_STOPPING if app.stopping else f"Fitting … {app.stage}".rstrip())
        elif app.points is None or app.model is None:
            self.said.setText("Open data and choose a model first.")
        elif app.document is None:
            words = f"each of the {len(app.group_names)} groups by itself" * app.fits_groups
            self.said.setText(f"Ready to fit {words}".rstrip() + ".")
        else:
            alarm = "" if app.document["convergence"]["success"] else "⚠ "
            self.said.setText(alarm + ending(app.document))

    def _show_groups(self) -> None:
        app = self._app
        column, only = app.state.get("data.columns.group"), app.state.get("data.only")
        self.only.clear()
        self.only.addItems(["(all groups)", *app.group_names])
        at = 0 if only is None else self.only.findText(str(only))
        self.only.setCurrentIndex(max(at, 0))
        self._form.setRowVisible(self.only, column is not None)
        self.fit.setText("F&it all groups" if app.fits_groups else "F&it")
        folded = not self.more.isChecked()
        self.cost.setVisible(column is None)
        self.iterations.setVisible(column is None and folded)
        if column is not None and self.many is None:
            self.many = GroupFitsWidget(app, self)
            self.many.trend.set_theme(self.cost.theme)
            self.layout().addWidget(self.many, stretch=5)
        if self.many is not None:
            self.many.setVisible(column is not None and folded)

    def _choose(self, key: str, at: int) -> None:
        text = self.boxes[key].itemText(at) if at else None
        with self._app.step(f"choose the {_CHOICES[key][0].lower()}"):
            if text is not None and key in ("method", "preset"):
                other = "preset" if key == "method" else "method"
                if refusal(self._app.state.content, key, text):  # each is a search
                    self._app.edit(f"fitting.{other}", None)
            self._app.edit(f"fitting.{key}", text)
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
        self._show_groups()
