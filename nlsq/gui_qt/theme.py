"""Light and dark: the colours of plots and marks; widgets take the platform's palette."""

from __future__ import annotations

import dataclasses

from PySide6.QtCore import QObject, Qt, Signal
from PySide6.QtGui import QColor, QGuiApplication, QPalette
from PySide6.QtWidgets import QApplication


@dataclasses.dataclass(frozen=True)
class ThemeConfig:
    """Colours of one theme.

    Attributes
    ----------
    background, foreground, grid : str
        Of plots.
    data, fit, start, residual : str
        Points, fitted curve, curve of the start, residuals.
    good, doubtful, bad : str
        Marks beside words that say the same.
    """

    name: str
    background: str
    foreground: str
    grid: str
    data: str
    fit: str
    start: str
    residual: str
    good: str
    doubtful: str
    bad: str

    @property
    def is_dark(self) -> bool:
        """Whether the background is dark."""
        return self.name == "dark"


# Okabe and Ito's colours, which people who see few colours can tell apart.
LIGHT_THEME = ThemeConfig(
    "light", "#ffffff", "#202020", "#d8d8d8", "#3a6ea5", "#d55e00", "#8a8a8a", "#3a6ea5",
    "#00734d", "#8a5a00", "#b3261e",
)  # fmt: skip
DARK_THEME = ThemeConfig(
    "dark", "#1b1d20", "#e4e4e4", "#3c4043", "#7fb3e6", "#ffa257", "#9aa0a6", "#7fb3e6",
    "#5fd3a5", "#f2c14e", "#ff8a80",
)  # fmt: skip

#: Of curves of earlier fits, in both themes.
CURVES = ("#0072b2", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8f7fb3")


def _palette(dark: bool) -> QPalette:
    """The palette of widgets; not every platform has a dark one of its own."""
    palette, role = QPalette(QApplication.style().standardPalette()), QPalette.ColorRole
    if not dark:
        palette.setColor(role.Highlight, QColor("#2a74ad"))  # white on it can be read
        return palette
    for roles, colour in (
        ((role.Window, role.Button, role.ToolTipBase), "#26292d"),
        ((role.Base,), "#1b1d20"),
        ((role.AlternateBase,), "#222529"),
        ((role.WindowText, role.Text, role.ButtonText, role.ToolTipText), "#e4e4e4"),
        ((role.PlaceholderText,), "#9aa0a6"),
        ((role.BrightText,), "#ffffff"),
        ((role.Highlight, role.Accent), "#3a6ea5"),
        ((role.HighlightedText,), "#ffffff"),
        ((role.Link,), "#7fb3e6"),
        ((role.Light,), "#3c4043"),
        ((role.Midlight,), "#33373b"),
        ((role.Mid,), "#1f2225"),
        ((role.Dark, role.Shadow), "#131517"),
    ):
        for one in roles:
            palette.setColor(one, QColor(colour))
    for one in (role.WindowText, role.Text, role.ButtonText):
        palette.setColor(QPalette.ColorGroup.Disabled, one, QColor("#777c82"))
    return palette


class ThemeManager(QObject):
    """Follows the system's colours, or keeps to light or dark; `changed` tells the new theme."""

    changed = Signal(object)

    def __init__(self, parent: QObject | None = None):
        super().__init__(parent)
        self._name = "system"
        self._hints = QGuiApplication.styleHints()
        self._hints.colorSchemeChanged.connect(self._tell)

    def set_theme(self, name: str) -> None:
        """'light', 'dark' or 'system'."""
        self._name = name
        self._tell()

    @property
    def current(self) -> ThemeConfig:
        """The theme that is seen."""
        if self._name == "system":
            dark = self._hints.colorScheme() == Qt.ColorScheme.Dark
        else:
            dark = self._name == "dark"
        return DARK_THEME if dark else LIGHT_THEME

    def _tell(self) -> None:
        palette = _palette(self.current.is_dark)
        QApplication.setPalette(palette)
        if self.current.is_dark:  # where an empty box is else as dark as what it stands on
            palette.setColor(QPalette.ColorRole.Base, QColor("#5f656c"))
        QApplication.setPalette(palette, "QCheckBox")
        self.changed.emit(self.current)
