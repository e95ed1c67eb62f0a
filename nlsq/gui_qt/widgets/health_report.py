"""What a diagnosis found: facts, their numbers, and what to do, the gravest first."""

from __future__ import annotations

from PySide6.QtWidgets import QTextBrowser, QWidget

from nlsq.gui_qt.theme import LIGHT_THEME, ThemeConfig
from nlsq.gui_qt.widgets.tables import named
from nlsq.session.examining import Examination, report_html


class HealthReportWidget(QTextBrowser):
    """The report as text in colours; words say the same as the colours."""

    def __init__(self, parent: QWidget | None = None):
        super().__init__(parent)
        tip = "What is wrong with the fit, if anything, and what to do about it."
        named(self, "health report", "Health report", tip)
        self.setTabChangesFocus(True)
        self._found: Examination | str = ""
        self._theme = LIGHT_THEME

    def show_report(self, found: Examination | str) -> None:
        """Show what was found, or a text that says why nothing was."""
        self._found, theme = found, self._theme
        if isinstance(found, str):
            self.setPlainText(found)
        else:
            self.setHtml(report_html(found, theme.good, theme.doubtful, theme.bad))

    def set_theme(self, theme: ThemeConfig) -> None:
        """Take other colours."""
        self._theme = theme
        self.show_report(self._found)
