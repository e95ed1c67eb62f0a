"""The page 'data', by mouse and keys."""

import gzip
import pickle
import shutil
import sys

import numpy as np
import pytest

pytest.importorskip("pyqtgraph", exc_type=ImportError)
pytest.importorskip("pytestqt")

import itertools

from PySide6.QtCore import QEvent, QMimeData, QPoint, QPointF, Qt, QUrl
from PySide6.QtGui import QDragEnterEvent, QDropEvent, QGuiApplication, QMouseEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from nlsq import curve_fit
from nlsq.gui_qt.adapters.export_adapter import as_command, as_python
from nlsq.gui_qt.app_state import AppState
from nlsq.gui_qt.session_state import SessionState
from nlsq.session import masks, pieces
from nlsq.session.pyramid import Pyramid
from tests.gui_window import child, choose, fit, write
from tests.test_gui_exports import run_command, run_script

LEFT, CONTROL, SHIFT = (
    Qt.MouseButton.LeftButton, Qt.KeyboardModifier.ControlModifier,
    Qt.KeyboardModifier.ShiftModifier,
)  # fmt: skip


@pytest.fixture
def line(tmp_path):
    """A straight line with outliers in rows 3 and 4, as a file and as arrays."""
    x = np.linspace(0, 10, 21)
    y = 2 * x + 1 + 0.1 * np.sin(7 * x)
    y[3:5] += 30
    path = tmp_path / "line.csv"
    np.savetxt(path, np.column_stack([x, y]), delimiter=",", header="t,V", comments="")
    return path, *np.loadtxt(path, delimiter=",", skiprows=1).T


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


def tick(window, name):
    box = child(window, name)
    QTest.mouseClick(box, LEFT, pos=QPoint(8, box.height() // 2))


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
    tick(window, "mask points")
    drag(window, (9.2, 15), (10.2, 25))
    assert app.state.get("data.exclude") == "3-4,19-20"
    drag(window, (9.2, 15), (10.2, 25), SHIFT)
    tick(window, "mask points")
    assert "masked: 2 of 21 rows" in child(window, "data facts").text()
    assert child(window, "exclude").text() == "3-4"

    fit(window)
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
    tick(window, "fit a range")
    assert plot.span.isVisible() and app.state.get("data.x_range") is None
    drag(window, (0.0, 20), (2.25, 20))
    drag(window, (10.0, 20), (8.25, 20))
    low, high = app.state.get("data.x_range")
    assert abs(low - 2.25) < 0.05 and abs(high - 8.25) < 0.05 and len(repr(low)) < 7
    assert app.points.x.tolist() == x[(x >= low) & (x <= high)].tolist()
    before = plot.span.getRegion()
    fit(window)
    assert app.state.get("data.x_range") == [low, high] and plot.span.getRegion() == before
    wanted = (x >= low) & (x <= high)
    assert app.result.popt == pytest.approx(np.polyfit(x[wanted], y[wanted], 1), rel=1e-9)
    assert run_command(as_command(app.fitted), tmp_path) == app.result.popt.tolist()
    drag(window, (low, 20), (-0.3, 20))
    assert app.state.get("data.x_range") == [None, high]
    assert child(window, "x range").text() == f":{high!r}"
    write(window, qtbot, "x range", "1,5:8")
    assert app.points.x.tolist() == x[(x >= 1.5) & (x <= 8)].tolist()
    assert plot.span.getRegion() == (1.5, 8)
    for text, words in (("9:8", "ends before it begins"), ("some:", "'some' is not a number"),
                        ("3", "not LOW:HIGH")):  # fmt: skip
        write(window, qtbot, "x range", text)
        assert words in child(window, "x range check").text() and app.points is not None
    qtbot.mouseClick(child(window, "use all points"), LEFT)
    assert app.points.y.size == 21 and not plot.span.isVisible()
    app.history.undo()
    assert app.state.get("data.x_range") == [1.5, 8] and plot.span.isVisible()


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
    window.activateWindow()
    table.setFocus()
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


def test_tables_are_pasted(window, qtbot, tmp_path):
    child(window, "data table").setFocus()
    for name, (text, x, y) in PASTED.items():
        QGuiApplication.clipboard().setText(text)
        qtbot.keyClick(window, Qt.Key.Key_V, CONTROL)
        points = window.app.points
        assert (points.x.tolist(), points.y.tolist()) == (x, y), name
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


def test_what_is_no_table_leaves_the_session_alone(window, line, qtbot):
    window.open(line[0])
    before = window.app.state.to_json()
    for text in ("", "only words"):
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


def test_files_are_dropped_anywhere(window, line):
    for name in ("data file", "data table", "Data and fit", "Residuals", "where"):
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


# ------------------------------------------------------------------ columns, conditions, reading


@pytest.fixture
def volts(tmp_path):
    """Four columns of words and numbers with units."""
    path = tmp_path / "volts.csv"
    rows = "".join(f"{i};{i / 4!r};{i * i};{'AB'[i % 2]}\n".replace(".", ",") for i in range(12))
    path.write_text("t (s);T (K);V (mV);who\n" + rows)
    return path


def test_columns_of_text_are_passed_over_and_units_are_shown(window, tmp_path, qtbot):
    (tmp_path / "who.csv").write_text("who,t (s),V (mV)\n" + "".join(
        f"{'ab'[i % 2]},{i},{2 * i + 1}\n" for i in range(9)))  # fmt: skip
    app = window.app
    window.open(tmp_path / "who.csv")
    assert (app.points.x_names, app.points.y_name) == (["t"], "V")
    app.edit("model", {"name": "linear"})
    app.fit()
    qtbot.waitUntil(lambda: app.document is not None, timeout=20_000)
    assert app.document["labels"] == {"x": "t (s)", "y": "V (mV)"}  # as figures have them
    assert app.result.popt == pytest.approx([2, 1])


def test_columns_are_typed_and_picked(window, volts, qtbot):
    window.open(volts)
    app = window.app
    assert child(window, "data table").model().headerData(1, Qt.Orientation.Horizontal) == "T (K)"
    assert window.plot.plotItem.getAxis("bottom").labelText == "t (s)"
    write(window, qtbot, "column y", "sqrt(V) + 1")
    assert app.points.y.tolist() == pytest.approx([i + 1 for i in range(12)])
    write(window, qtbot, "column x", "t, T")
    assert app.points.x.shape == (2, 12) and app.points.x[1].tolist() == [i / 4 for i in range(12)]
    write(window, qtbot, "column x", "T")
    assert app.state.get("data.columns.x") == "T" and app.points.x.ndim == 1
    write(window, qtbot, "column group", "who")
    assert app.group_names == ["A", "B"]
    write(window, qtbot, "exclude", "1,3-4")
    app.edit("data.only", "B")
    assert app.points.x.tolist() == [1.25, 1.75, 2.25, 2.75]
    header = child(window, "data table").model().headerData
    assert [header(i, Qt.Orientation.Vertical) for i in range(3)] == ["1 out", "3 out", "5"]
    app.edit("data.only", None)
    box = child(window, "column sigma")
    box.setCurrentText("t")
    box.activated.emit(0)
    assert "sigma is 0" in child(window, "data problem").text()
    count = app.history.count()
    child(window, "column y").lineEdit().editingFinished.emit()  # it was only left
    assert app.history.count() == count


TYPED = [  # where, what, what is said there
    ("column y", "sqrt(V", "Column 5: "), ("column y", "log(W)", "no column 'W'"),
    ("column x", "t, T +", "Column 7: it is not complete"), ("column y", "who", "not a number"),
    ("where", "t > ", "not complete"), ("where", "t + 1", "not a condition"),
    ("where", "t > 2 && T < 1", "Column 8: "), ("rows", "a:b", "start:stop"),
]  # fmt: skip


def test_what_is_typed_is_checked_at_its_place(window, volts, qtbot):
    window.open(volts)
    before = window.app.state.to_json()
    for name, text, words in TYPED:
        write(window, qtbot, name, text)
        said = child(window, f"{name} check")
        assert said.isVisible() and words in said.text(), (text, said.text())
        assert window.app.state.to_json() == before and window.app.points is not None


def test_a_condition_and_a_range_of_rows(window, volts, qtbot):
    window.open(volts)
    write(window, qtbot, "where", "who == 'A' and t > 1")
    assert window.app.points.x.tolist() == [2, 4, 6, 8, 10]
    header = child(window, "data table").model().headerData
    assert [header(i, Qt.Orientation.Vertical) for i in range(3)] == ["2", "4", "6"]
    write(window, qtbot, "rows", "0:8")
    assert window.app.points.x.tolist() == [2, 4, 6]
    window.app.mask(np.array([4]), True)
    assert window.app.points.x.tolist() == [2, 6]
    write(window, qtbot, "where", "")
    assert window.app.points.x.tolist() == [0, 1, 2, 3, 5, 6, 7]


def test_how_a_text_is_read_is_shown_and_corrected(window, volts, qtbot):
    window.open(volts)
    tick(window, "how it is read")
    shown = {name: child(window, name).currentText()
             for name in ("delimiter", "decimal", "header", "encoding")}  # fmt: skip
    assert shown == {
        "delimiter": "found: semicolon", "decimal": "found: comma",
        "header": "found: yes", "encoding": "found: UTF-8",
    }  # fmt: skip
    assert not child(window, "sheet").isVisible() and child(window, "skip").isVisible()
    choose(window, "decimal", "point")
    assert "'T' is '0,0', not a number" in child(window, "data problem").text()
    choose(window, "decimal", "as found")
    choose(window, "skip", "3")
    assert window.app.state.get("data.csv") == {"skip_header": 3}
    assert window.app.points.x.tolist() == list(range(2, 12))
    choose(window, "skip", "some")
    assert "skip_header" in child(window, "skip check").text()
    choose(window, "skip", "as found")
    assert window.app.points.y.size == 12


def test_numbers_that_could_be_either_are_settled_there(window, tmp_path):
    path = tmp_path / "either.csv"
    path.write_text("1,234 2,345\n3,456 4,567\n")
    window.open(path)
    assert "decimal" in child(window, "data problem").text()
    choose(window, "decimal", "comma")
    assert window.app.points.x.tolist() == [1.234, 3.456]


def test_sheets_and_groups_are_offered(window, tmp_path):
    openpyxl, h5py = pytest.importorskip("openpyxl"), pytest.importorskip("h5py")
    book = openpyxl.Workbook()
    for name, factor in (("notes", None), ("first", 1), ("7", 2)):
        sheet = book.create_sheet(name)
        for i in range(4) if factor else ():
            sheet.append([i, factor * i])
    book.save(tmp_path / "book.xlsx")
    window.open(tmp_path / "book.xlsx")
    box = child(window, "sheet")
    assert box.currentText() == "found: first"
    assert [box.itemText(i) for i in range(1, box.count())] == ["Sheet", "notes", "first", "7"]
    choose(window, "sheet", "7")
    assert window.app.state.get("data.sheet") == "7" and window.app.points.y.tolist()[3] == 6
    with h5py.File(tmp_path / "runs.h5", "w") as file:
        for run in ("a", "b"):
            file[f"{run}/t"], file[f"{run}/V"] = np.arange(5.0), np.arange(5.0) * len(run)
    window.open(tmp_path / "runs.h5")
    box = child(window, "group")
    assert [box.itemText(i) for i in range(1, box.count())] == ["a", "b"]
    choose(window, "group", "b")
    assert child(window, "column x").itemText(0) in ("V", "t")


# ------------------------------------------------------------------------------ a million points


@pytest.mark.parametrize("seed", range(4))
def test_the_extremes_of_columns_are_those_of_their_points(seed):
    rng = np.random.default_rng(seed)
    m = (1, 2, 777, 5000)[seed]
    x, y = np.sort(rng.choice([rng.normal(size=m), rng.integers(0, 9, m)])), rng.normal(size=m)
    y[1:][rng.random(m - 1) < 0.1] = np.nan
    edges = np.linspace(-2, 7, 60)
    which, least, most = Pyramid(x, y).columns(edges)
    inside = [(x >= a) & (x < b) for a, b in itertools.pairwise(edges)]
    assert which.tolist() == [k for k, some in enumerate(inside) if some.any()]
    for k, low, high in zip(which, least, most, strict=True):
        some = y[inside[k]][np.isfinite(y[inside[k]])]
        assert (low, high) == (some.min(), some.max()) if some.size else np.isnan([low, high]).all()


def test_a_million_points_are_drawn_with_few(window, tmp_path, qtbot):
    rng = np.random.default_rng(0)
    x = np.linspace(0, 100, 10**6)
    y = np.sin(x) + 0.1 * rng.normal(size=x.size)
    y[[123_456, 700_000]] = 5.0, -7.0  # which no zoom may lose
    np.save(tmp_path / "many.npy", np.column_stack([x, y]))
    window.open(tmp_path / "many.npy")
    plot = window.plot
    for _ in range(3):
        seen_x, seen_y = plot.points.getOriginalDataset()
        assert seen_x.size < 4000
        (left, right), _ = plot.view.viewRange()
        inside = (x >= left) & (x <= right)
        assert seen_y.max() >= y[inside].max() and seen_y.min() <= y[inside].min()
        pen = plot.points.curve.opts["pen"]
        assert pen.widthF() == 1 and pen.isCosmetic()
        plot.view.scaleBy((0.3, 1), center=(12.3456, 0))
    plot.view.setXRange(12.34, 12.40)
    seen_x, seen_y = plot.points.getOriginalDataset()
    inside = (x >= plot.view.viewRange()[0][0]) & (x <= plot.view.viewRange()[0][1])
    assert seen_x.tolist() == x[inside].tolist() and 5.0 in seen_y
    QTest.mouseClick(plot.viewport(), LEFT, CONTROL, at(window, x[123_456], 5.0))
    assert window.app.state.get("data.exclude") == "123456"


# ------------------------------------------------------------------- files larger than memory


def written(path, x, y):
    """A file of these columns, by its suffix."""
    if path.suffix == ".csv":
        np.savetxt(path, np.column_stack([x, y]), "%.17g", ",", header="t,v", comments="")
    elif path.suffix == ".h5":
        h5py = pytest.importorskip("h5py")
        with h5py.File(path, "w") as file:
            file["t"], file["v"] = x, y
    else:
        pa = pytest.importorskip("pyarrow")
        table = pa.table({"t": x, "v": y})
        if path.suffix == ".parquet":
            from pyarrow import parquet

            parquet.write_table(table, path)
        else:
            with pa.ipc.new_file(path, table.schema) as file:
                file.write_table(table)


@pytest.mark.parametrize("suffix", [".csv", ".h5", ".parquet", ".arrow"])
def test_a_file_larger_than_memory_is_shown_by_a_sample(window, tmp_path, suffix):
    x = np.linspace(0, 10, 30_000)
    y = 2 * x + 1
    written(tmp_path / f"large{suffix}", x, y)
    app = window.app
    app.edit("workflow.memory_limit_gb", 2e-4)
    window.open(tmp_path / f"large{suffix}")
    assert app.sampled and not app.problems
    points = app.points
    assert 5000 < points.y.size <= 10_000 and (points.y == 2 * points.x + 1).all()
    gaps = np.histogram(points.x, 20, (0, 10))[0]
    assert gaps.min() > 0.5 * gaps.mean()  # from everywhere
    assert "reads it piece by piece" in child(window, "data facts").text()
    app.edit("data.exclude", "3")
    assert "leaves out no rows" in child(window, "data problem").text()
    app.history.undo()
    app.history.undo()
    assert app.state.get("data") is None  # one step opened it


def test_a_file_that_is_read_in_pieces_is_fitted_so(window, tmp_path, qtbot, quickly):
    x = np.linspace(0, 10, 30_000)
    y = 2 * x + 1 + np.sin(99 * x)
    beside = "," + "0" * 60  # which makes it larger than what reading in pieces takes
    rows = (f"{a!r},{b!r}{beside}" for a, b in zip(x.tolist(), y.tolist(), strict=True))
    (tmp_path / "large.csv").write_text("\n".join(["t,v,pad", *rows]) + "\n")
    app = window.app
    app.edit("workflow.memory_limit_gb", 0.01)
    window.open(tmp_path / "large.csv")
    app.edit("model", {"formula": "a*t + b"})
    assert app.sampled and app.start is not None
    fit(window)
    assert not app.problems and app.state.page == "results"
    assert app.result.n_points == 30_000
    assert app.result.popt == pytest.approx(np.polyfit(x, y, 1), rel=1e-9)


def test_a_long_file_that_fits_into_memory_is_read_in_pieces_too(window, line, monkeypatch):
    monkeypatch.setattr(pieces, "MANY_LINES", 10)
    window.open(line[0])
    assert not window.app.in_pieces  # by number, columns are read at once
    window.app.edit("data.columns", {"x": "t", "y": "V"})
    assert window.app.in_pieces and window.app.points.y.size == 21
    assert "the fit reads the file piece by piece" in child(window, "data facts").text()
    window.app.edit("data.exclude", "3")
    assert not window.app.in_pieces and not window.app.problems
    window.app.edit("fitting.goal", "memory_efficient")
    assert "leaves out no rows" in child(window, "data problem").text()


# -------------------------------------------------------------------------------------- bad input

BAD = {  # a file, what is said of it
    "empty.csv": (b"", "this file is empty"),
    "blank.csv": (b"\n\n  \n", "nothing in this file"),
    "names.csv": (b"t,V\n", "a header but no rows"),
    "words.txt": (b"only words\n" * 4, "no table of numbers"),
    "binary.dat": (bytes(range(256)) * 9, "not a text file"),
    "zeros.csv": (b"1,2\n3,4\n" + b"\0" * 5000, "zero bytes"),
    "cut.csv.gz": (gzip.compress(b"1,2\n" * 9999)[:60], "damaged or cut off"),
    "wide.csv": (b"1," * 30_000 + b"1\n", "columns; a table has at most"),
    "ragged.csv": (b"1,2\n3,4\n5,6,7\n", "ragged.csv:3: 3 cells"),
    "one.csv": (b"t\n1\n2\n", "no column 1"),
    "text.csv": (b"t,V\n1,high\n2,low\n", "'high', not a number.\nThis column holds text"),
    "nan.csv": (b"t,V\n1,2\n2,\n", "nan.csv:3: 'V' is empty"),
    "infinite.csv": (b"t,V\n1,2\n2,inf\n", "'V' is inf"),
    "complex.csv": (b"t,V\n1,2+1j\n2,3j\n", "is complex"),
    "old.xls": (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" * 9, "an old Excel file"),
    "no.xlsx": (b"PK\x03\x04" + b"x" * 99, "damaged or cut off"),
    "no.h5": (b"\x89HDF\r\n\x1a\n" + b"x" * 99, "no HDF5 file"),
    "no.parquet": (b"PAR1" + b"x" * 99, "no Parquet file"),
    "no.npy": (b"\x93NUMPY" + b"x" * 99, "no NumPy file"),
    "pickle.npy": (pickle.dumps([1, 2]), "pickle"),
    "latin.csv": ("t,µV\n1,2\n2,3\n".encode("latin-1"), None),  # which is read
}


def test_bad_files_are_said_in_words_and_cost_nothing(window, line, tmp_path):
    app, problem = window.app, child(window, "data problem")
    window.open(line[0])
    app.edit("model", {"formula": "a*t + b"})
    app.edit("fitting.p0", {"a": 2.0})
    before = app.state.to_json()
    for name, (content, words) in BAD.items():
        (tmp_path / name).write_bytes(content)
        window.open(tmp_path / name)
        if words is None:
            assert app.points is not None
        else:
            assert problem.isVisible() and words in problem.text(), (name, problem.text())
            assert name in problem.text() and app.points is None
            for page in ("model", "fitting", "results", "export", "data"):
                window.navigate_to(page)
            assert not child(window, "fit").isEnabled()
        app.history.undo()
        assert app.state.to_json() == before and app.points.y.size == 21 and problem.isHidden()


def test_paths_that_are_no_files(window, tmp_path):
    for path, words in (("", "folder"), ("no/a.csv", "no such file"), ("a\0b.csv", "no name of a")):
        window.open(tmp_path / path)
        assert words in child(window, "data problem").text()


@pytest.mark.parametrize("package, suffix", [("openpyxl", ".xlsx"), ("pyarrow", ".parquet")])
def test_a_missing_extra_says_what_to_install(window, tmp_path, monkeypatch, package, suffix):
    pytest.importorskip(package)
    path = tmp_path / f"data{suffix}"
    if suffix == ".parquet":
        written(path, np.arange(3.0), np.arange(3.0))
    else:
        import openpyxl

        book = openpyxl.Workbook()
        book.active.append([1, 2])
        book.save(path)
    for name in [n for n in sys.modules if n.split(".")[0] == package]:
        monkeypatch.setitem(sys.modules, name, None)
    window.open(path)
    assert f"pip install {package}" in child(window, "data problem").text()


def test_a_kind_that_is_only_read_whole_may_be_too_large(window, tmp_path):
    (tmp_path / "large.txt").write_text("1 2\n" * 9999)
    window.app.edit("workflow.memory_limit_gb", 1e-6)
    window.open(tmp_path / "large.txt")
    assert "of these kinds only" in child(window, "data problem").text()
    window.app.edit("workflow.memory_limit_gb", None)
    assert window.app.points.y.size == 9999


def test_a_file_that_changes_or_goes_is_said_when_it_is_read_again(window, line):
    app = window.app
    window.open(line[0])
    app.mask(np.array([20]), True)
    line[0].write_text("t,V\n1,2\n2,3\n")
    app.edit("data.csv.delimiter", ",")
    assert "there is no row 20 to exclude" in child(window, "data problem").text()
    line[0].unlink()
    app.edit("data.csv.delimiter", None)
    assert "no such file" in child(window, "data problem").text()
    app.edit("data.exclude", None)
    assert "no such file" in child(window, "data problem").text() and app.table is None
    line[0].write_text("t,V\n1,2\n2,3\n")
    count = app.history.count()
    window.open(line[0])
    assert app.points.y.size == 2 and app.history.count() == count
