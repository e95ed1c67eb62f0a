"""What every control has: names, a sentence, and a mark at the place of a mistake."""

from __future__ import annotations

import re
from typing import TypeVar

from PySide6.QtGui import QColor, QInputMethodEvent, QTextCharFormat
from PySide6.QtWidgets import QApplication, QLineEdit, QWidget

Control = TypeVar("Control", bound=QWidget)


def named(control: Control, name: str, title: str, tip: str) -> Control:
    """The control with a name for tests, one for who listens, and a tooltip."""
    control.setObjectName(name)
    control.setAccessibleName(title.replace("&", ""))
    control.setToolTip(tip)
    return control


def underline(field: QLineEdit, position: int | None) -> None:
    """Underline the word at a position, from 1; None takes the line away."""
    attributes = []
    if position is not None:
        wavy = QTextCharFormat()
        wavy.setUnderlineStyle(QTextCharFormat.UnderlineStyle.WaveUnderline)
        wavy.setUnderlineColor(QColor("#d55e00"))
        wavy.setBackground(QColor(213, 94, 0, 80))
        text = field.text()
        start = min(position, max(len(text), 1)) - 1
        word = re.match(r"\w+|.?", text[start:])[0]
        kind = QInputMethodEvent.AttributeType.TextFormat
        place = start - field.cursorPosition()
        attributes.append(QInputMethodEvent.Attribute(kind, place, len(word), wavy))
    QApplication.sendEvent(field, QInputMethodEvent("", attributes))
