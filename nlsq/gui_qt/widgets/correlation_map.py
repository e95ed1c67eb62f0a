"""The correlations of the parameters, as a matrix in colours with numbers."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtGui import QColor
from PySide6.QtWidgets import QHeaderView, QWidget

from nlsq.gui_qt.app_state import AppState
from nlsq.gui_qt.theme import LIGHT_THEME, ThemeConfig
from nlsq.gui_qt.widgets.tables import PlainTable
from nlsq.session.showing import correlation_rows

_CELL, _NAME = 48, 150  # pixels


class CorrelationMapWidget(PlainTable):
    """Columns have the numbers of the rows where names are long; tooltips have the names."""

    def __init__(self, app: AppState, parent: QWidget | None = None):
        tip = "Near 1 or −1 two parameters are only known together; near 0 each is known by itself."
        super().__init__("correlations", tip, parent)
        self._app, self._theme = app, LIGHT_THEME
        across, down = self.horizontalHeader(), self.verticalHeader()
        across.setStretchLastSection(False)
        across.setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        across.setDefaultSectionSize(_CELL)
        down.show()
        down.setMaximumWidth(_NAME)
        down.setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        for header in (across, down):
            header.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        app.result_changed.connect(self.refresh)
        self.refresh()

    def set_theme(self, theme: ThemeConfig) -> None:
        """Take other colours."""
        self._theme = theme
        self.refresh()

    def refresh(self) -> None:
        """Show those of the last fit."""
        names, rows = correlation_rows(self._app.result)
        fit = all(self.fontMetrics().horizontalAdvance(name) < _CELL - 8 for name in names)
        numbers = [str(k) for k in range(1, len(names) + 1)]
        self.fill(names if fit else numbers, rows)
        down = names if fit else [f"{k}  {name}" for k, name in zip(numbers, names, strict=True)]
        self.setVerticalHeaderLabels(down)
        for at, name in enumerate(names):
            self.horizontalHeaderItem(at).setToolTip(name)
            self.verticalHeaderItem(at).setToolTip(name)
        for item in (self.item(*divmod(k, len(names))) for k in range(len(names) ** 2)):
            item.setTextAlignment(Qt.AlignmentFlag.AlignCenter)
            self._colour(item)

    def _colour(self, item) -> None:
        """More of the colour of its sign, the stronger; grey where there is none."""
        theme, value = self._theme, float(item.data(Qt.ItemDataRole.UserRole) or "nan")
        share = abs(value) if item.text() and abs(value) <= 1 else 0.6
        sign = theme.fit if value > 0 else theme.data
        sign = sign if item.text() and abs(value) <= 1 else theme.grid
        pairs = zip(QColor(sign).getRgbF(), QColor(theme.background).getRgbF(), strict=True)
        colour = QColor.fromRgbF(*(share * a + (1 - share) * b for a, b in pairs))
        item.setBackground(colour)
        light = 0.3 * colour.redF() + 0.59 * colour.greenF() + 0.11 * colour.blueF() > 0.44
        item.setForeground(QColor("#000000" if light else "#ffffff"))
