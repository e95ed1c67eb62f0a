"""What pages are built of: rows and columns, borders that move, labels, and tables to read."""

from __future__ import annotations

from collections.abc import Mapping

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QBoxLayout, QLabel, QLayout, QScrollArea, QSplitter, QWidget

from nlsq.gui_qt.widgets.named import Control, named

_LOOKED_AT = 100  # rows; none but those seen, 0, is all where the table is hidden
_WIDEST = 200  # pixels of a column; what is longer is elided


def filled(
    layout: QBoxLayout, *parts: QWidget | QLayout | tuple[QWidget | QLayout, int], edge: bool = True
) -> QBoxLayout:
    """The layout with these in it, those with a number growing by it; without an edge, flush."""
    if not edge:
        layout.setContentsMargins(0, 0, 0, 0)
    for given in parts:
        part, stretch = given if isinstance(given, tuple) else (given, 0)
        (layout.addLayout if isinstance(part, QLayout) else layout.addWidget)(part, stretch)
    return layout


def split(way: Qt.Orientation, parts: Mapping[QWidget, int], parent: QWidget | None) -> QSplitter:
    """Parts with their sizes, between which borders move."""
    made = QSplitter(way, parent)
    for part in parts:
        made.addWidget(part)
    made.setSizes(list(parts.values()))
    return made


def scrolled(inside: QWidget, parent: QWidget) -> QScrollArea:
    """What a low screen scrolls; its controls take the focus."""
    area = QScrollArea(parent)
    area.setWidgetResizable(True)
    area.setFrameShape(QScrollArea.Shape.NoFrame)
    area.setFocusPolicy(Qt.FocusPolicy.NoFocus)
    area.setWidget(inside)
    return area


def sentence(name: str, title: str, tip: str, parent: QWidget) -> QLabel:
    """A label of words that wrap and can be copied."""
    label = named(QLabel(parent), name, title, tip)
    label.setWordWrap(True)
    label.setTextFormat(Qt.TextFormat.PlainText)
    label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
    return label


def fitting(table: Control) -> None:
    """Make columns as wide as some of their rows, but for very long cells."""
    header = table.horizontalHeader()
    header.setSectionResizeMode(header.ResizeMode.ResizeToContents)
    header.setResizeContentsPrecision(_LOOKED_AT)
    header.setMaximumSectionSize(_WIDEST)
    table.setWordWrap(False)
    table.setTextElideMode(Qt.TextElideMode.ElideMiddle)


def readable(table: Control, height: int = 24) -> Control:
    """The table, which does not trap Tab, in low rows without numbers."""
    table.setTabKeyNavigation(False)
    table.verticalHeader().hide()
    table.verticalHeader().setDefaultSectionSize(height)
    return table
