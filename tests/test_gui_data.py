"""The page 'data', by mouse and keys."""

import numpy as np
import pytest

pytest.importorskip("pyqtgraph", exc_type=ImportError)
pytest.importorskip("pytestqt")

from PySide6.QtCore import QEvent, QPointF, Qt
from PySide6.QtGui import QMouseEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QWidget

from nlsq import curve_fit
from nlsq.gui_qt.adapters.export_adapter import as_command, as_python
from nlsq.gui_qt.app_state import AppState
from nlsq.gui_qt.main_window import MainWindow
from nlsq.gui_qt.preferences import Preferences
from nlsq.session import masks
from tests.test_gui_exports import run_command, run_script

LEFT, CONTROL, SHIFT = (
    Qt.MouseButton.LeftButton, Qt.KeyboardModifier.ControlModifier,
    Qt.KeyboardModifier.ShiftModifier,
)  # fmt: skip


@pytest.fixture
def window(qtbot, tmp_path):
    app = AppState()
    app.code_folder = tmp_path / "kept"
    opened = MainWindow(app, Preferences(tmp_path / "window.json"))
    qtbot.addWidget(opened)
    opened.show()
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
