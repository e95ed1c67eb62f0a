"""The page 'data', by mouse and keys."""

import shutil

import numpy as np
import pytest

pytest.importorskip("pyqtgraph", exc_type=ImportError)
pytest.importorskip("pytestqt")

from PySide6.QtCore import QEvent, QMimeData, QPointF, Qt, QUrl
from PySide6.QtGui import QDragEnterEvent, QDropEvent, QGuiApplication, QMouseEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QWidget

from nlsq import curve_fit
from nlsq.gui_qt.adapters.export_adapter import as_command, as_python
from nlsq.gui_qt.app_state import AppState
from nlsq.gui_qt.main_window import MainWindow
from nlsq.gui_qt.preferences import Preferences
from nlsq.gui_qt.session_state import SessionState
from nlsq.session import masks
from tests.test_gui_exports import run_command, run_script

LEFT, CONTROL, SHIFT = (
    Qt.MouseButton.LeftButton, Qt.KeyboardModifier.ControlModifier,
    Qt.KeyboardModifier.ShiftModifier,
)  # fmt: skip


@pytest.fixture
def window(qtbot, tmp_path):
    app = AppState()
    app.own_folder = tmp_path / "kept"
    opened = MainWindow(app, Preferences(tmp_path / "window.json"))
    qtbot.addWidget(opened)
    opened.show()
    with qtbot.waitActive(opened):  # else its keys do nothing
        opened.activateWindow()
    yield opened
    app.wait()


@pytest.fixture
def line(tmp_path):
    """A straight line with outliers in rows 3 and 4, as a file and as arrays."""
    x = np.linspace(0, 10, 21)
    y = 2 * x + 1 + 0.1 * np.sin(7 * x)
    y[3:5] += 30
    path = tmp_path / "line.csv"
    np.savetxt(path, np.column_stack([x, y]), delimiter=",", header="t,V", comments="")
    return path, *np.loadtxt(path, delimiter=",", skiprows=1).T


def child(window, name, kind=QWidget):
    found = window.findChild(kind, name)
    assert found is not None, name
    return found


def at(window, x, y):
    """Where a point is on the plot."""
    return window.plot.mapFromScene(window.plot.view.mapViewToScene(QPointF(x, y)))


def mouse(window, kind, place, held, keys):
    port = window.plot.viewport()
    button = Qt.MouseButton.NoButton if kind == QEvent.Type.MouseMove else LEFT
    there = QPointF(port.mapToGlobal(place))
    QApplication.sendEvent(port, QMouseEvent(kind, QPointF(place), there, button, held, keys))
    QTest.qWait(11)  # events that follow sooner are passed over


def drag(window, begin, end, keys=Qt.KeyboardModifier.NoModifier):
    """Drag on the plot, from and to (x, y)."""
    kinds, begin, end = QEvent.Type, at(window, *begin), at(window, *end)
    mouse(window, kinds.MouseMove, begin, Qt.MouseButton.NoButton, keys)
    mouse(window, kinds.MouseButtonPress, begin, LEFT, keys)
    for part in (0.3, 0.6, 1.0):
        mouse(window, kinds.MouseMove, begin + part * (end - begin), LEFT, keys)
    mouse(window, kinds.MouseButtonRelease, end, Qt.MouseButton.NoButton, keys)


def write(window, qtbot, name, text):
    field = child(window, name)
    field.setFocus()
    field.selectAll()
    qtbot.keyClicks(field, text)
    qtbot.keyClick(field, Qt.Key.Key_Return)


def fit(window, qtbot):
    ended = {"timeout": 20_000, "check_params_cb": lambda on: not on}
    with qtbot.waitSignal(window.app.running_changed, **ended):
        window.app.fit()


# -------------------------------------------------------------------------------------- masks


def test_points_are_left_out_with_the_mouse_and_stay_out(window, line, qtbot, tmp_path):
    path, x, y = line
    app, plot = window.app, window.plot
    window.open(path)
    app.edit("model", {"formula": "a*t + b"})
    shown = plot.view.viewRange()
    QTest.mouseClick(plot.viewport(), LEFT, CONTROL, at(window, x[3], y[3]))
    assert app.state.get("data.exclude") == "3" and app.points.y.size == 20
    assert plot.view.viewRange() == shown
    assert plot.crosses.getOriginalDataset()[0].tolist() == [x[3]]
    drag(window, (1.2, 25), (2.8, 40), CONTROL)
    assert app.state.get("data.exclude") == "3-4"
    qtbot.mouseClick(child(window, "mask points"), LEFT)
    drag(window, (9.2, 15), (10.2, 25))
    assert app.state.get("data.exclude") == "3-4,19-20"
    drag(window, (9.2, 15), (10.2, 25), SHIFT)
    qtbot.mouseClick(child(window, "mask points"), LEFT)
    assert child(window, "masked points").text() == "2 of 21 left out"

    fit(window, qtbot)
    kept = np.ones(21, bool)
    kept[3:5] = False
    expected = np.polyfit(x[kept], y[kept], 1)
    assert app.result.popt == pytest.approx(expected, rel=1e-9)
    assert app.state.get("data.exclude") == "3-4"
    found = app.result.popt.tolist()
    assert run_script(as_python(app.document, app.result, app.fitted)) == found
    assert run_command(as_command(app.fitted), tmp_path) == found
    for _ in range(4):
        app.history.undo()
    assert app.points.y.size == 21
    app.history.redo()
    assert app.points.y.size == 20


def test_a_range_is_dragged_and_survives_a_fit(window, line, qtbot, tmp_path):
    path, x, y = line
    app, plot = window.app, window.plot
    window.open(path)
    app.edit("model", {"formula": "a*t + b"})
    qtbot.mouseClick(child(window, "fit a range"), LEFT)
    assert plot.span.isVisible() and app.state.get("data.x_range") is None
    drag(window, (0.0, 20), (2.25, 20))
    drag(window, (10.0, 20), (8.25, 20))
    low, high = app.state.get("data.x_range")
    assert abs(low - 2.25) < 0.05 and abs(high - 8.25) < 0.05 and len(repr(low)) < 7
    assert app.points.x.tolist() == x[(x >= low) & (x <= high)].tolist()
    before = plot.span.getRegion()
    fit(window, qtbot)
    assert app.state.get("data.x_range") == [low, high] and plot.span.getRegion() == before
    wanted = (x >= low) & (x <= high)
    assert app.result.popt == pytest.approx(np.polyfit(x[wanted], y[wanted], 1), rel=1e-9)
    assert run_command(as_command(app.fitted), tmp_path) == app.result.popt.tolist()
    drag(window, (low, 20), (-0.3, 20))
    assert app.state.get("data.x_range") == [None, high]
    write(window, qtbot, "first x", "1,5")
    assert app.state.get("data.x_range") == [1.5, high]
    write(window, qtbot, "first x", "9.9")
    assert "ends before it begins" in child(window, "data problem").text()
    write(window, qtbot, "first x", "some")
    assert "no number: some" in child(window, "masked points").text()
    qtbot.mouseClick(child(window, "use all points"), LEFT)
    assert app.points.y.size == 21 and not plot.span.isVisible()
    app.history.undo()
    assert app.state.get("data.x_range") == [9.9, high] and plot.span.isVisible()


def test_a_drag_without_tools_moves_the_plot(window, line):
    window.open(line[0])
    before = window.plot.view.viewRange()
    drag(window, (4, 20), (6, 25))
    assert window.plot.view.viewRange() != before and not window.app.state.get("data.exclude")


def test_rows_of_the_table_are_left_out_by_keys(window, line, qtbot):
    path, _, _ = line
    path.write_text(path.read_text().replace("\n", "\n-1,\n", 1))
    window.open(path)
    window.app.edit("data.rows", "0:10")
    table, problem = child(window, "data table"), child(window, "data problem")
    assert "line.csv:2: 'V' is empty" in problem.text() and window.app.rows.x.size == 10
    table.selectRow(0)
    qtbot.keyClick(table, Qt.Key.Key_Delete)
    assert window.app.state.get("data.exclude") == "0" and problem.isHidden()
    header = table.model().headerData(0, Qt.Orientation.Vertical)
    assert header == "0 out" and window.app.points.y.size == 9
    qtbot.keyClick(table, Qt.Key.Key_Insert)
    assert window.app.state.get("data.exclude") is None and problem.isVisible()


@pytest.mark.parametrize("seed", range(5))
def test_masks_as_text(seed):
    rng = np.random.default_rng(seed)
    text, rows = None, set()
    for _ in range(8):
        some, out = set(rng.integers(0, 30, 6).tolist()), (True, False, None)[rng.integers(3)]
        rows = rows ^ some if out is None else rows | some if out else rows - some
        text = masks.changed(text, np.array(list(some)), out)
        assert np.flatnonzero(masks.among(text, np.arange(30))).tolist() == sorted(rows)


def test_rows_keep_their_numbers_through_rows_and_where(line):
    from nlsq.session.points import load, select
    from nlsq.session.settings import Data

    path, x, y = line
    data = Data(input_file=path, rows="2:", where="V < 30", exclude=[2, "5-6"], x_range=[None, 9])
    points = select(load(data), data)
    wanted = (np.arange(21) >= 2) & (y < 30) & ~np.isin(np.arange(21), [2, 5, 6]) & (x <= 9)
    assert points.x.tolist() == x[wanted].tolist()
    assert curve_fit(lambda t, a, b: a * t + b, points.x, points.y).success


# ----------------------------------------------------------- files and tables from elsewhere

PASTED = {  # the text, the columns as read by a person
    "a header and tabs": ("t\tV\n0\t1.5\n1\t2.5\n2\t4\n", [0, 1, 2], [1.5, 2.5, 4]),
    "no header": ("0\t1.5\n1\t2.5\n2\t4\n", [0, 1, 2], [1.5, 2.5, 4]),
    "decimal commas": ("t;V\n0;1,5\n0,5;2,25\n1;4\n", [0, 0.5, 1], [1.5, 2.25, 4]),
    "commas, tabs, no header": ("0,25\t1,5\r\n1,25\t-2,5\r\n", [0.25, 1.25], [1.5, -2.5]),
    "thousands": ("t\tV\n1\t1.234,5\n2\t-2.000,25\n", [1, 2], [1234.5, -2000.25]),
    "CSV": ('"t","V"\n1,2e3\n2,1E-3\n', [1, 2], [2000, 0.001]),
    "names with blanks": ("time (s)\tthe signal\n1\t2\n3\t4\n", [1, 3], [2, 4]),
}


@pytest.mark.parametrize("text, x, y", PASTED.values(), ids=PASTED)
def test_a_table_is_pasted(window, qtbot, tmp_path, text, x, y):
    QGuiApplication.clipboard().setText(text)
    child(window, "data table").setFocus()
    qtbot.keyClick(window, Qt.Key.Key_V, CONTROL)
    points = window.app.points
    assert (points.x.tolist(), points.y.tolist()) == (x, y)
    path = window.app.state.get("data.input_file")
    assert path.startswith(str(tmp_path / "kept"))  # on disk before any autosave refers to it
    again = AppState(SessionState.from_json(window.app.state.to_json()))
    assert again.points.y.tolist() == y
    assert window.preferences.recent("data") == []


def test_a_bad_cell_of_what_is_pasted_is_named(window, qtbot):
    QGuiApplication.clipboard().setText("t\tV\n0\t1\n1\tn.d.\n2\t3\n")
    field = child(window, "data file")
    field.setFocus()
    qtbot.keyClick(field, Qt.Key.Key_V, CONTROL)  # a table is none of this field's
    assert ".txt:3: 'V' is 'n.d.', not a number" in child(window, "data problem").text()


@pytest.mark.parametrize("text", ["", "only words"])
def test_what_is_no_table_leaves_the_session_alone(window, line, qtbot, text):
    window.open(line[0])
    before = window.app.state.to_json()
    QGuiApplication.clipboard().setText(text)
    qtbot.keyClick(window, Qt.Key.Key_V, CONTROL)
    assert "no number" in window.notice.text and window.app.state.to_json() == before


def test_pasted_data_move_with_their_session(window, qtbot, tmp_path):
    QGuiApplication.clipboard().setText("t\tV\n0\t1\n1\t3\n")
    window.paste()
    (tmp_path / "here").mkdir()
    assert window.session._save(tmp_path / "here" / "mine.nlsq")
    shutil.rmtree(tmp_path / "kept")
    (tmp_path / "here").rename(tmp_path / "there")
    window.session.open(tmp_path / "there" / "mine.nlsq")
    assert window.app.points.y.tolist() == [1, 3]


def test_a_full_disk_is_said_when_data_are_pasted(window, tmp_path):
    (tmp_path / "kept").write_text("a file where a folder should be")
    QGuiApplication.clipboard().setText("t\tV\n0\t1\n1\t3\n")
    window.paste()
    assert "cannot be kept" in window.notice.text and window.app.state.content == {}


def drop(window, target, *, files=(), text=""):
    """Drop on a widget, or on whichever of its parents takes it."""
    mime = QMimeData()
    if files:
        mime.setUrls([QUrl.fromLocalFile(str(file)) for file in files])
    else:
        mime.setText(text)
    actions, place = Qt.DropAction.CopyAction, target.rect().center()
    moved = QDragEnterEvent(place, actions, mime, LEFT, Qt.KeyboardModifier.NoModifier)
    QApplication.sendEvent(target, moved)
    assert moved.isAccepted()
    dropped = QDropEvent(QPointF(place), actions, mime, LEFT, Qt.KeyboardModifier.NoModifier)
    QApplication.sendEvent(window, dropped)


@pytest.mark.parametrize("name", ["data file", "data table", "Data and fit", "Residuals"])
def test_files_are_dropped_anywhere(window, line, name):
    drop(window, child(window, name), files=[line[0], line[0]])
    assert window.app.points.y.size == 21 and "the first of 2" in window.notice.text
    drop(window, child(window, name), text="1 2\n3 4\n")
    assert window.app.points.y.tolist() == [2, 4] and window.notice.text == ""


def recent(window, kind):
    menu = child(window, f"recent {kind}")
    menu.aboutToShow.emit()
    return {action.text(): action for action in menu.actions()}


def test_files_of_late_are_offered_and_one_that_is_gone_is_said(window, line, tmp_path):
    path, other = line[0], tmp_path / "other.csv"
    other.write_text("1,2\n3,4\n")
    assert list(recent(window, "data")) == ["(none yet)"]
    window.open(path)
    window.open(other)
    assert list(recent(window, "data")) == [str(other), str(path)]
    recent(window, "data")[str(path)].trigger()
    assert window.app.points.y.size == 21
    other.unlink()
    recent(window, "data")[str(other)].trigger()
    assert "other.csv is not there any more" in window.notice.text
    assert window.app.points.y.size == 21 and list(recent(window, "data")) == [str(path)]
