"""A line above the pages that says something, with what can be done about it; it never blocks."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from PySide6.QtWidgets import QFrame, QHBoxLayout, QPushButton, QSizePolicy, QWidget

from nlsq.gui_qt.widgets.building import filled, sentence
from nlsq.gui_qt.widgets.named import named


class NoticeBar(QFrame):
    """One notice at a time; hidden while there is none."""

    def __init__(self, name: str, parent: QWidget | None = None):
        super().__init__(parent)
        named(self, name, name.capitalize(), "")
        self.setFrameShape(QFrame.Shape.StyledPanel)
        self._text = sentence(f"{name} text", "What is to be known", "", self)
        self._text.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        self._buttons: list[QPushButton] = []
        filled(QHBoxLayout(self), self._text)
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
        plain = name.replace("&", "")
        button = named(QPushButton(name, self), f"{self.objectName()} {plain.lower()}", plain,
                       f"{plain}, and end this notice.")  # fmt: skip
        button.clicked.connect(lambda: self.say("", {}))
        button.clicked.connect(lambda: act())
        self.layout().addWidget(button)
        return button
