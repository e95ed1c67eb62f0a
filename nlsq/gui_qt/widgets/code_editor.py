"""An editor of Python for models: highlighting, line numbers, lines with mistakes."""

from __future__ import annotations

import re

from PySide6.QtCore import QRect, QSize, Qt, QTimer, Signal
from PySide6.QtGui import (
    QColor,
    QFont,
    QFontDatabase,
    QHelpEvent,
    QKeyEvent,
    QPainter,
    QPaintEvent,
    QPalette,
    QResizeEvent,
    QSyntaxHighlighter,
    QTextCharFormat,
    QTextDocument,
    QTextFormat,
)
from PySide6.QtWidgets import QPlainTextEdit, QTextEdit, QToolTip, QWidget

from nlsq.gui_qt.adapters.model_adapter import mistakes
from nlsq.gui_qt.theme import DARK_THEME, LIGHT_THEME

_PAUSE = 300  # ms after a key
_WORDS = (
    "and as assert break class continue def elif else False for from if import in is lambda None "
    "not or pass return True while"
)
_RULES = (
    ("number", r"(?<![\w.])\d[\w.]*(?:(?<=[eE])[+-]\d+)?"),
    ("keyword", rf"\b(?:{'|'.join(_WORDS.split())})\b"),
    ("name", r"(?<=\bdef )\w+"),
    ("text", r"'[^'\n]*'|\"[^\"\n]*\""),
    ("comment", r"#[^\n]*"),
)
_COLOURS = {  # light, dark
    "number": ("#0b6e4f", "#5fd3a5"), "keyword": ("#8a3ffc", "#c5a3ff"),
    "name": ("#0f5fa8", "#7fb3e6"), "text": ("#9a4a00", "#ffc48c"),
    "comment": ("#6b7075", "#9aa0a6"),
}  # fmt: skip


class PythonHighlighter(QSyntaxHighlighter):
    """Colours of words, by the palette's theme."""

    def __init__(self, document: QTextDocument, dark: bool):
        super().__init__(document)
        self.set_dark(dark)

    def set_dark(self, dark: bool) -> None:
        """Take the colours of a theme."""
        self._formats = {}
        for kind, colours in _COLOURS.items():
            self._formats[kind] = QTextCharFormat()
            self._formats[kind].setForeground(QColor(colours[dark]))
        self.rehighlight()

    def highlightBlock(self, text: str) -> None:
        for kind, rule in _RULES:  # a later one covers earlier ones
            for found in re.finditer(rule, text):
                self.setFormat(found.start(), len(found[0]), self._formats[kind])


class CodeEditor(QPlainTextEdit):
    """Python with the lines that would be refused marked while it is typed.

    Attributes
    ----------
    mistakes : dict of int to str
        What is wrong, by line, from 1.
    """

    checked = Signal()

    def __init__(self, code: str = "", parent: QWidget | None = None):
        super().__init__(code, parent)
        self.setObjectName("model code")
        self.setAccessibleName("Python code of the model")
        self.setToolTip(
            "Functions f(x, a, b, ...) with NumPy or JAX. Ctrl+Tab leaves the editor; "
            "a marked line says under the mouse what is wrong."
        )
        self.setFont(QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont))
        self.setLineWrapMode(QPlainTextEdit.LineWrapMode.NoWrap)
        self.setTabStopDistance(4 * self.fontMetrics().horizontalAdvance(" "))
        self.mistakes: dict[int, str] = {}
        self._highlighter = PythonHighlighter(self.document(), self._dark())
        self._numbers = _LineNumbers(self)
        self._timer = QTimer(self, interval=_PAUSE, singleShot=True)
        self._timer.timeout.connect(self.check)
        self.textChanged.connect(self._timer.start)
        self.blockCountChanged.connect(self._make_room)
        self.updateRequest.connect(self._scroll)
        self._make_room()

    def check(self) -> None:
        """Look for what keeps the code from running."""
        self._timer.stop()
        code = self.toPlainText()
        self.mistakes = mistakes(code) if code.strip() else {}
        marks = []
        for line in self.mistakes:
            mark = QTextEdit.ExtraSelection()
            mark.cursor = self.textCursor()
            block = self.document().findBlockByNumber(line - 1)
            mark.cursor.setPosition(block.position() if block.isValid() else 0)
            mark.format.setBackground(QColor(213, 94, 0, 64))
            mark.format.setProperty(QTextFormat.Property.FullWidthSelection, True)
            marks.append(mark)
        self.setExtraSelections(marks)
        self._numbers.update()
        self.checked.emit()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Tab indents by four; Ctrl+Tab leaves; a new line begins where the last one did."""
        tab, back = Qt.Key.Key_Tab, Qt.Key.Key_Backtab
        if event.key() == tab and not event.modifiers():
            self.insertPlainText("    ")
        elif event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter) and not event.modifiers():
            line = self.textCursor().block().text()[: self.textCursor().positionInBlock()]
            deeper = "    " if line.rstrip().endswith(":") else ""
            self.insertPlainText("\n" + line[: len(line) - len(line.lstrip())] + deeper)
        elif event.key() in (tab, back) and event.modifiers() & Qt.KeyboardModifier.ControlModifier:
            QWidget.focusNextPrevChild(self, event.key() == tab)  # that of an editor stays in it
        else:
            super().keyPressEvent(event)

    def event(self, event) -> bool:
        if event.type() == QHelpEvent.Type.ToolTip:
            inside = self.viewport().mapFrom(self, event.pos())
            line = self.cursorForPosition(inside).blockNumber() + 1
            if line in self.mistakes:
                QToolTip.showText(event.globalPos(), f"Line {line}: {self.mistakes[line]}", self)
                return True
        return super().event(event)

    def changeEvent(self, event) -> None:
        super().changeEvent(event)
        if event.type() == event.Type.PaletteChange:
            self._highlighter.set_dark(self._dark())

    def _dark(self) -> bool:
        return self.palette().color(QPalette.ColorRole.Base).lightness() < 128

    # -- line numbers ------------------------------------------------------------------------

    def number_width(self) -> int:
        """Pixels that the numbers take."""
        return 12 + self.fontMetrics().horizontalAdvance("9") * max(2, len(str(self.blockCount())))

    def _make_room(self, *_) -> None:
        self.setViewportMargins(self.number_width(), 0, 0, 0)

    def _scroll(self, rect: QRect, by: int) -> None:
        if by:
            self._numbers.scroll(0, by)
        else:
            self._numbers.update(0, rect.y(), self._numbers.width(), rect.height())

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        inside = self.contentsRect()
        self._numbers.setGeometry(inside.left(), inside.top(), self.number_width(), inside.height())

    def paint_numbers(self, event: QPaintEvent) -> None:
        """Draw the numbers of the lines that are seen."""
        painter = QPainter(self._numbers)
        painter.fillRect(event.rect(), self.palette().alternateBase())
        plain = self.palette().color(QPalette.ColorRole.PlaceholderText)
        theme = DARK_THEME if self._dark() else LIGHT_THEME
        block, bold = self.firstVisibleBlock(), QFont(self.font())
        bold.setBold(True)
        top = self.blockBoundingGeometry(block).translated(self.contentOffset()).top()
        while block.isValid() and top <= event.rect().bottom():
            line, height = block.blockNumber() + 1, self.blockBoundingRect(block).height()
            wrong = line in self.mistakes
            painter.setPen(QColor(theme.bad) if wrong else plain)
            painter.setFont(bold if wrong else self.font())
            box = QRect(0, round(top), self.number_width() - 6, self.fontMetrics().height())
            painter.drawText(box, Qt.AlignmentFlag.AlignRight, str(line))
            block, top = block.next(), top + height
        painter.end()


class _LineNumbers(QWidget):
    def __init__(self, editor: CodeEditor):
        super().__init__(editor)
        self._editor = editor

    def sizeHint(self) -> QSize:
        return QSize(self._editor.number_width(), 0)

    def paintEvent(self, event: QPaintEvent) -> None:
        self._editor.paint_numbers(event)
