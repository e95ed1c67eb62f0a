"""A line above the pages that says something, with what can be done about it; it never blocks."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton, QSizePolicy, QWidget


class NoticeBar(QFrame):
    """One notice at a time; hidden while there is none."""

    def __init__(self, name: str, parent: QWidget | None = None):
        super().__init__(parent)
        self.setObjectName(name)
        self.setAccessibleName(name.capitalize())
        self.setFrameShape(QFrame.Shape.StyledPanel)
        self._text = QLabel(self)
        self._text.setObjectName(f"{name} text")
        self._text.setWordWrap(True)
        self._text.setTextFormat(Qt.TextFormat.PlainText)
        self._text.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self._text.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        self._buttons: list[QPushButton] = []
        layout = QHBoxLayout(self)
        layout.addWidget(self._text)
        self.hide()

    @property
    def text(self) -> str:
        """What it says; empty where nothing."""
        return "" if self.isHidden() else self._text.text()

    def say(self, text: str, actions: Mapping[str, Callable[[], object]]) -> None:
        """Show a text and a button for each action, which ends the notice; no text hides it."""
        for button in self._buttons:
            button.hide()
            button.setObjectName("")  # it goes when its own click is done
            button.deleteLater()
        self._buttons = [self._button(name, act) for name, act in actions.items()]
        self._text.setText(text)
        self.setVisible(bool(text))

    def _button(self, name: str, act: Callable[[], object]) -> QPushButton:
        button = QPushButton(name, self)
        plain = name.replace("&", "")
        button.setObjectName(f"{self.objectName()} {plain.lower()}")
        button.setAccessibleName(plain)
        button.setToolTip(f"{plain}, and end this notice.")
        button.clicked.connect(self._end)
        button.clicked.connect(lambda: act())
        self.layout().addWidget(button)
        return button

    def _end(self) -> None:
        self.say("", {})
