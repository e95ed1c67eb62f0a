"""A person before the window, for its tests: what can be touched there, and hands that touch it."""

from __future__ import annotations

import fnmatch
import itertools
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QEvent, QObject, QPoint, QPointF, Qt
from PySide6.QtGui import QAction, QMouseEvent
from PySide6.QtWidgets import (
    QAbstractButton,
    QAbstractItemView,
    QAbstractSlider,
    QAbstractSpinBox,
    QApplication,
    QComboBox,
    QHeaderView,
    QLineEdit,
    QMenu,
    QMenuBar,
    QPlainTextEdit,
    QScrollBar,
    QTabBar,
    QTabWidget,
    QTextEdit,
    QWidget,
)
from shiboken6 import isValid

from nlsq.gui_qt.main_window import MainWindow

LEFT, NONE = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
KINDS = (
    QAbstractButton, QLineEdit, QComboBox, QAbstractSpinBox, QAbstractSlider, QAbstractItemView,
    QTextEdit, QPlainTextEdit, QTabWidget, pg.PlotWidget,
)  # fmt: skip
_OF_QT = (QScrollBar, QHeaderView)
_HOLDERS = (QComboBox, QAbstractSpinBox, QLineEdit, QTabBar, QMenuBar, QHeaderView)
_HANDLES = (pg.TargetItem, pg.InfiniteLine, pg.LinearRegionItem, pg.ROI)


def widgets(window: QWidget) -> Iterator[QWidget]:
    """What a person can touch of a window, also where it is not seen now; Qt's own parts are not.

    A combo box is one control, with its list and its field, and so is a row of tabs.
    """
    for widget in window.findChildren(QWidget):
        if not isinstance(widget, KINDS) or isinstance(widget, _OF_QT):
            continue
        if widget.metaObject().className() == "QExpandingLineEdit":  # the cell that is edited
            continue
        if widget.objectName().startswith("qt_"):
            continue
        above = widget.parentWidget()
        while above is not None and not isinstance(above, _HOLDERS):
            above = above.parentWidget()
        if above is None:
            yield widget


def actions(window: QWidget) -> Iterator[QAction]:
    """The entries of menus, of the buttons' too; what only opens a menu is none."""
    for action in dict.fromkeys(a for part in window.findChildren(QWidget) for a in part.actions()):
        of_qt = action.isSeparator() or action.objectName().startswith("_q_")
        if not of_qt and action.menu() is None:
            yield action


def handles(window: QWidget) -> Iterator[QObject]:
    """What can be dragged in the plots."""
    for view in window.findChildren(pg.PlotWidget):
        for item in view.scene().items():
            part = isinstance(item.parentItem(), _HANDLES)  # an edge of a region
            if isinstance(item, _HANDLES) and getattr(item, "movable", True) and not part:
                yield item


def controls(window: QWidget) -> list[QObject]:
    """All of them."""
    return [*widgets(window), *actions(window), *handles(window)]


def told(control: QObject) -> tuple[str, str, str]:
    """Name, accessible name and tooltip."""
    name, tip = control.objectName(), control.toolTip()
    if isinstance(control, QWidget):
        return name, control.accessibleName(), tip
    if isinstance(control, QAction):  # its text is its tooltip where it has none
        title = control.text().replace("&", "")
        if control.shortcutContext() == Qt.ShortcutContext.WidgetShortcut:  # which its widget tells
            return name or title.lower(), title, title
        return name, title, "" if tip == title else tip
    return name, name, tip


def row_of(name: str, rows: Iterable[str]) -> str | None:
    """The row for a control: its name, or a family such as 'slider *'."""
    rows = list(rows)
    return name if name in rows else next((r for r in rows if fnmatch.fnmatchcase(name, r)), None)


def mouse(port: QWidget, kind: QEvent.Type, at: QPointF, button=LEFT, held=LEFT) -> None:
    """One event of the mouse; a move with a button held is what QTest does not make.

    None where what was pressed is gone, since the press ended an edit that made others of it.
    """
    if not isValid(port):
        return
    there = QPointF(port.mapToGlobal(at.toPoint()))
    QApplication.sendEvent(port, QMouseEvent(kind, QPointF(at), there, button, held, NONE))


def _is_seen(action: QAction) -> bool:
    return any(w.isVisible() for w in action.associatedObjects() if isinstance(w, QWidget))


class Touched(QObject):
    """Whether mouse or keys came to a control."""

    def __init__(self, control: QObject):
        super().__init__(control if isinstance(control, QWidget) else None)
        self.count = 0
        if isinstance(control, QAction):
            control.triggered.connect(self._tell)
        elif isinstance(control, QWidget):
            for part in (control, *control.findChildren(QWidget)):
                part.installEventFilter(self)
        else:
            control.scene().views()[0].viewport().installEventFilter(self)

    def _tell(self, *_) -> None:
        self.count += 1

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() in (
            QEvent.Type.KeyPress, QEvent.Type.MouseButtonPress, QEvent.Type.Wheel,
        ):  # fmt: skip
            self.count += 1
        return False


class Hand:
    """Touches the window as a person does; `name` is the control that is meant."""

    def __init__(self, window: MainWindow, qtbot, folder: Path):
        self.window, self.app, self.qtbot, self.folder = window, window.app, qtbot, folder
        self.name = ""

    def find(self, name: str | None = None) -> QObject:
        """The control of a name or of a family."""
        name = self.name if name is None else name
        for top in (self.window, *QApplication.topLevelWidgets()):
            found = [c for c in controls(top) if row_of(told(c)[0], [name])]
            if found:  # plots have their entries each
                return next((c for c in found if isinstance(c, QAction) and _is_seen(c)), found[0])
        raise AssertionError(f"There is no control {name!r}.")

    def __getitem__(self, name: str) -> QWidget:
        found = self.window.findChild(QWidget, name)
        assert found is not None, name
        return found

    def activate(self) -> None:
        """Bring the window to the front, where keys come to it."""
        other = QWidget()  # without which Qt may go on taking a menu that closed for the active one
        other.show()
        for window in (other, self.window):
            with self.qtbot.waitActive(window):
                window.activateWindow()
        other.close()

    def export(self, name: str) -> None:
        """Write a file from the page that is open, to the end."""
        self["export file"].setText(name)
        self.click("write")
        said = self["export state"]
        self.qtbot.waitUntil(lambda: said.text().startswith(("Written", "⚠")), timeout=10_000)

    def click(self, name: str | None = None) -> None:
        """Click a button, an entry of a menu, or a check box where its box is."""
        control = self.find(name)
        if isinstance(control, QAction):
            self._choose(control)
            return
        assert control.isVisible() and control.isEnabled(), f"{control.objectName()} is not there"
        at = QPoint(10, control.height() // 2) if isinstance(control, QAbstractButton) else None
        self.qtbot.mouseClick(control, LEFT, pos=at or control.rect().center())

    def _choose(self, action: QAction) -> None:
        """Open the menus that lead to an entry, and click it."""
        bar, chain = self.window.menuBar(), [action]
        holders = [part for part in self.window.findChildren(QWidget) if action in part.actions()]
        if not any(isinstance(part, QMenu) for part in holders):  # it has a key in its widget
            holders = [part for part in holders if part.isVisible()]
            self.activate()
            holders[0].setFocus()
            self.qtbot.keySequence(holders[0], action.shortcut())
            return
        while chain[0] not in bar.actions():
            inside = next(m for m in self.window.findChildren(QMenu) if chain[0] in m.actions())
            chain.insert(0, inside.menuAction())
        holder, name = bar, action.objectName()
        for step in chain[:-1]:
            assert step.isEnabled(), step.text()
            step.menu().popup(holder.mapToGlobal(holder.actionGeometry(step).bottomLeft()))
            holder = step.menu()
        action = self.find(name)  # a list of recent files is made anew as it opens
        assert action.isEnabled() and action.isVisible(), name
        self.qtbot.mouseClick(holder, LEFT, pos=holder.actionGeometry(action).center())
        while (popup := QApplication.activePopupWidget()) is not None:
            popup.close()

    def write(self, text: str, name: str | None = None, end=Qt.Key.Key_Return) -> None:
        """Type into a field in the place of what is there."""
        field = self.find(name)
        field.setFocus()
        inside = field.lineEdit() if isinstance(field, QComboBox) else field
        self.qtbot.keyClick(inside, Qt.Key.Key_A, Qt.KeyboardModifier.ControlModifier)
        self.type(inside, text)
        if end is not None:
            self.qtbot.keyClick(inside, end)

    def type(self, field: QWidget, text: str) -> None:
        """Type letters, those too that QTest has no key for."""
        for letter in text:
            self.qtbot.keyClicks(field, letter) if letter.isascii() else field.insert(letter)

    def key(self, *keys: Qt.Key, name: str | None = None, held=NONE) -> None:
        """Press keys."""
        control = self.find(name)
        control.setFocus()
        for key in keys:
            self.qtbot.keyClick(control, key, held)

    def pick(self, text: str, name: str | None = None) -> None:
        """Choose an entry of a box: open it with the mouse, and take the entry with Enter.

        A list on a display takes no click for a while after it opened.
        """
        box = self.find(name)
        assert box.isVisible() and box.isEnabled(), f"{box.objectName()} is not there"
        self.qtbot.mouseClick(box, LEFT)
        if not box.view().isVisible():
            box.showPopup()  # as in a box that can be typed in
        view, index = box.view(), box.model().index(box.findText(text), 0)
        assert index.isValid(), f"{box.objectName()} has no {text!r}"
        view.setCurrentIndex(index)
        self.qtbot.keyClick(view, Qt.Key.Key_Return)

    def cell(self, row: int, column: int, text: str, name: str | None = None) -> None:
        """Type into a cell of a table."""
        table = self.find(name)
        place = table.model().index(row, column)
        table.setFocus()
        table.setCurrentIndex(place)
        self.qtbot.keyClick(table, Qt.Key.Key_F2)
        editor = table.viewport().focusWidget()
        editor.selectAll()
        self.type(editor, text)
        self.qtbot.keyClick(editor, Qt.Key.Key_Return)
        self.qtbot.waitUntil(lambda: table.state() != table.State.EditingState)

    def drag(self, view: pg.PlotWidget, *way: tuple[float, float]) -> None:
        """Drag the mouse over a plot, through places in the units of its axes."""
        port = view.viewport()
        seen = [
            QPointF(view.mapFromScene(view.plotItem.vb.mapViewToScene(QPointF(*place))))
            for place in way
        ]
        mouse(port, QEvent.Type.MouseMove, seen[0], Qt.MouseButton.NoButton, Qt.MouseButton(0))
        mouse(port, QEvent.Type.MouseButtonPress, seen[0])
        for start, end in itertools.pairwise(seen):
            for part in np.linspace(0, 1, 4)[1:]:
                self.qtbot.wait(12)  # pyqtgraph takes 100 moves a second
                mouse(port, QEvent.Type.MouseMove, start + (end - start) * part)
        mouse(port, QEvent.Type.MouseButtonRelease, seen[-1], held=Qt.MouseButton(0))
