"""The fitted parameters: value, standard error, interval, and what to be careful about."""

from __future__ import annotations

import math

from PySide6.QtWidgets import (
    QAbstractItemView,
    QHeaderView,
    QTableWidget,
    QTableWidgetItem,
    QWidget,
)

from nlsq.gui_qt.app_state import AppState
from nlsq.result.formatting import Rounding

COLUMNS = ("Parameter", "Value", "± error", "95 % interval", "Note")


class ParamResultsWidget(QTableWidget):
    """One row for each parameter of the last fit; tooltips have all digits."""

    def __init__(self, app: AppState, parent: QWidget | None = None):
        super().__init__(0, len(COLUMNS), parent)
        self._app = app
        self.setObjectName("fitted parameters")
        self.setAccessibleName("Fitted parameters")
        self.setToolTip("What was found, with its standard error; a cell tells all its digits.")
        self.setHorizontalHeaderLabels(COLUMNS)
        self.setTabKeyNavigation(False)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.verticalHeader().hide()
        self.horizontalHeader().setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        self.horizontalHeader().setStretchLastSection(True)
        self.horizontalHeader().setMaximumSectionSize(200)
        app.result_changed.connect(self.refresh)
        self.refresh()

    def refresh(self) -> None:
        """Show the last fit."""
        result = self._app.result
        names = () if result is None else result.names
        self.setRowCount(len(names))
        if result is None:
            return
        intervals = result.confidence_intervals()
        for row, name in enumerate(names):
            error, (low, high) = float(result.perr[row]), intervals[row]
            note = [
                word
                for word, those in (
                    ("fixed", result.fixed),
                    ("on its bound", result.at_bound),
                    ("not determined", result.undetermined),
                )
                if name in those
            ]
            known = math.isfinite(error)
            value = float(result.popt[row])
            digits = Rounding.of(value, error)
            cells = (
                (name, name),
                (digits.text(value), repr(value)),
                (digits.error(error) if known else "infinite", repr(error)),
                (f"{digits.text(low)} … {digits.text(high)}" if known else "",) * 2,
                (", ".join(note),) * 2,
            )
            for column, (text, exact) in enumerate(cells):
                item = QTableWidgetItem(text)
                item.setToolTip(exact)
                self.setItem(row, column, item)
