"""One window for the tests of a module, and what they do with it by the names of its controls.

To make a window takes longer than most tests. `tests.gui_hand` touches it as a person does.
"""

import time
from pathlib import Path

from PySide6.QtCore import QEvent, QEventLoop, Qt
from PySide6.QtWidgets import (
    QAbstractButton,
    QAbstractScrollArea,
    QApplication,
    QComboBox,
    QSplitter,
    QTabWidget,
    QWidget,
)

from nlsq.gui_qt.app_state import AppState
from nlsq.gui_qt.main_window import MainWindow
from nlsq.gui_qt.preferences import Preferences
from nlsq.gui_qt.session_state import SessionState
from nlsq.gui_qt.widgets import code_page
from nlsq.session.remembering import Results


class OneWindow:
    """Makes a window, and brings it back to what it was when it was made."""

    def __init__(self) -> None:
        self._window: MainWindow | None = None
        self._failures = 0

    def fresh(self, folder: Path, failures: int = 0) -> MainWindow:
        """The window as it opens, with its files in a folder; another one after a failure."""
        if failures != self._failures:
            self.close()
        self._failures = failures
        if self._window is None:
            self._window = MainWindow(AppState(), Preferences(folder / "window.json"))
            self._sizes = [
                (part, part.saveState()) for part in self._window.findChildren(QSplitter)
            ]
        else:
            _as_made(self._window)
            for part, state in self._sizes:
                part.restoreState(state)
        self._window.preferences._path = folder / "window.json"
        self._window.app.own_folder = folder / "kept"
        self._window.show()
        return self._window

    def close(self) -> None:
        """End it, and what it runs."""
        if self._window is not None:
            end(self._window.app)
            self._window.close()
            self._window.deleteLater()
        self._window = None


def child(window: QWidget, name: str, kind: type[QWidget] = QWidget) -> QWidget:
    """The control of a name."""
    found = window.findChild(kind, name)
    assert found is not None, name
    return found


def press(window: QWidget, qtbot, name: str) -> None:
    """Click a button."""
    qtbot.mouseClick(child(window, name), Qt.MouseButton.LeftButton)


def write(window: QWidget, qtbot, name: str, text: str) -> None:
    """Type into a field, in the place of what is there."""
    field = child(window, name)
    field = field.lineEdit() if isinstance(field, QComboBox) else field
    field.setFocus()
    field.selectAll()
    qtbot.keyClick(field, Qt.Key.Key_Delete)
    qtbot.keyClicks(field, text)
    qtbot.keyClick(field, Qt.Key.Key_Return)


def choose(window: QWidget, name: str, text: str) -> None:
    """Take an entry of a box."""
    box = child(window, name)
    box.setCurrentText(text)
    assert box.currentText() == text
    box.activated.emit(box.currentIndex())


def fit(window: MainWindow) -> None:
    """Fit, to the end."""
    window.app.fit()
    _hear(window.app)
    assert "fitting" not in window.app.problems, window.app.problems["fitting"]


def end(app: AppState) -> None:
    """End what runs, until nothing of it is heard any more."""
    app.wait()
    _hear(app)


def _hear(app: AppState) -> None:
    until = time.monotonic() + 60
    while app.running or app._guess is not None:
        assert time.monotonic() < until, "what runs does not end"
        QApplication.processEvents(QEventLoop.ProcessEventsFlag.WaitForMoreEvents)


def _as_made(window: MainWindow) -> None:
    app, new, pages = window.app, SessionState(), window.pages
    end(app)
    app._results, app._groups = Results(), None
    app.put("", {})
    app.put_fits(app.state.fits, [])
    app.view(level=new.level, draws=new.draws)
    app.wait()
    app.problems.clear()
    app.problems_changed.emit()
    app.history.clear()
    for button in window.findChildren(QAbstractButton):
        if button.isCheckable() and not button.objectName().startswith("draw "):
            button.setChecked(False)
    for part in window.findChildren(QTabWidget):
        part.setCurrentIndex(0)
    for area in window.findChildren(QAbstractScrollArea):
        area.horizontalScrollBar().setValue(0)
        area.verticalScrollBar().setValue(0)
    for box in (pages["export"].kind, pages["model"].peak):
        box.setCurrentIndex(min(box.count() - 1, 0))
    for field in (pages["model"].search, pages["export"].path):
        field.clear()
    pages["export"].said.clear()
    pages["model"].about.clear()
    pages["model"].code.editor.setPlainText(code_page._EXAMPLE)
    pages["model"].code.editor.check()
    pages["fitting"].cost.clear_cost()
    pages["fitting"].iterations._began(True)
    window.setCursor(Qt.CursorShape.ArrowCursor)
    for plot in (window.plot, window.residuals):
        plot.plotItem.enableAutoRange()
    window.notice.say("", {})
    window.session.path = None
    window.setWindowTitle("nlsq")
    window.set_theme(new.theme)
    window.navigate_to(new.page)
    window.resize(1280, 760)
    if (focused := window.focusWidget()) is not None:
        focused.clearFocus()
    QApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)  # the buttons of notices
    QApplication.processEvents()
