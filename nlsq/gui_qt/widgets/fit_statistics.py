"""How good the fit is, in numbers that say what they are."""

from __future__ import annotations

from PySide6.QtWidgets import QTableWidgetItem, QWidget

from nlsq.gui_qt.app_state import AppState
from nlsq.gui_qt.widgets.tables import PlainTable
from nlsq.session.showing import STATISTICS, statistic_rows


class FitStatisticsWidget(PlainTable):
    """Name, value and meaning of each statistic."""

    def __init__(self, app: AppState, parent: QWidget | None = None):
        super().__init__("statistics", "How good the fit is, and what each number means.", parent)
        self._app = app
        app.result_changed.connect(self.refresh)
        self.refresh()

    def refresh(self) -> None:
        """Show those of the last fit."""
        self.fill(("Statistic", "Value", "Meaning"), statistic_rows(self._app.document))

    @property
    def values(self) -> dict[str, QTableWidgetItem]:
        """The cell of each."""
        return {key: self.item(row, 1) for row, key in enumerate(STATISTICS)}
