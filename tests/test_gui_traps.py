"""Traps that other fitting programs fell into, as a person meets them in the window."""

import itertools
import json
import locale
import re
import threading
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("pyqtgraph", exc_type=ImportError)
pytest.importorskip("pytestqt")

from PySide6.QtCore import QLocale, Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QMenu
from scipy.optimize import curve_fit as scipys

import nlsq.gui_qt
from nlsq import models
from nlsq.gui_qt.app_state import AppState
from nlsq.gui_qt.main_window import MainWindow
from nlsq.gui_qt.preferences import Preferences
from nlsq.gui_qt.widgets import group_fits
from nlsq.session.fields import refusal
from tests.gui_hand import Hand

KEY = Qt.Key
GAUSSIAN = models.get("gaussian")


@pytest.fixture
def hand(window, qtbot, tmp_path):
    """A hand on a window with a peak, and the numbers of its file."""
    x = np.linspace(0, 10, 120)
    y = GAUSSIAN(x, 3.0, 4.2, 0.7) + 0.05 * np.random.default_rng(3).normal(size=x.size)
    np.savetxt(tmp_path / "peak.csv", np.column_stack([x, y]), delimiter=",", header="t,V",
               comments="")  # fmt: skip
    window.app.open(tmp_path / "peak.csv")
    window.app.edit("model", {"name": "gaussian"})
    made = Hand(window, qtbot, tmp_path)
    made.arrays = np.loadtxt(tmp_path / "peak.csv", delimiter=",", skiprows=1).T
    return made


def fit(hand):
    hand.window.navigate_to("fitting")
    ended = {"timeout": 10_000, "check_params_cb": lambda on: not on}
    with hand.qtbot.waitSignal(hand.app.running_changed, **ended):
        hand.click("fit")


RANGES = [  # entries of the section data, which rows they leave
    ({"where": "t > 2 and t <= 6.5"}, lambda x: (x > 2) & (x <= 6.5)),
    ({"rows": "30:90"}, lambda x: np.arange(x.size) // 30 % 3 > 0),
    ({"rows": "20:", "where": "t < 7"}, lambda x: (np.arange(x.size) >= 20) & (x < 7)),
]


@pytest.mark.parametrize("entries, kept", RANGES, ids=range(len(RANGES)))
def test_a_fit_keeps_the_range_and_every_other_entry(hand, entries, kept):
    x, y = hand.arrays
    for key, value in entries.items():
        hand.app.edit(f"data.{key}", value)
    hand.app.edit("fitting.bounds", {"mu": [-50.0, 60.0], "sigma": [1e-9, None]})
    before = hand.app.state.to_json()
    if "rows" in entries and len(entries) == 1:
        kept = lambda x: (np.arange(x.size) >= 30) & (np.arange(x.size) < 90)  # noqa: E731
    for _ in range(2):
        fit(hand)
        expected, _ = scipys(GAUSSIAN.function, x[kept(x)], y[kept(x)], [3, 4, 1])
        np.testing.assert_allclose(hand.app.result.popt, expected, rtol=1e-6)
        assert hand.app.document["statistics"]["n_points"] == kept(x).sum()
        assert json.loads(hand.app.state.to_json())["content"] == json.loads(before)["content"]


def test_undo_goes_back_over_fits(hand):
    content = json.dumps(hand.app.state.content)
    hand.app.edit("fitting.loss", "huber")
    fit(hand)
    hand.app.edit("fitting.p0", {"mu": 4.0})
    fit(hand)
    hand.app.edit("fitting.bounds", {"mu": [0.0, 5.0]})
    after = json.dumps(hand.app.state.content)
    hand.activate()
    for _ in range(3):
        hand.qtbot.keyClick(hand.window, KEY.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert json.dumps(hand.app.state.content) == content
    control, shift = Qt.KeyboardModifier.ControlModifier, Qt.KeyboardModifier.ShiftModifier
    for key, held in ((KEY.Key_Y, control), (KEY.Key_Z, control | shift), (KEY.Key_Y, control)):
        hand.qtbot.keyClick(hand.window, key, held)
    assert json.dumps(hand.app.state.content) == after


def test_the_residuals_are_said_to_be_of_what_they_are(hand):
    label = lambda: hand.window.residuals.plotItem.getAxis("left").labelText  # noqa: E731
    fit(hand)
    assert label() == "residual of the fit"
    hand.app.edit("fitting.p0", {"mu": 6.0})
    assert label() == "residual of the start"
    hand.app.history.undo()
    x, y = hand.arrays
    assert label() == "residual of the fit"
    shown = hand.window.residuals.points.getOriginalDataset()[1]
    np.testing.assert_allclose(shown, y - GAUSSIAN(x, *hand.app.result.popt))


def test_a_plot_is_moved_by_keys(hand):
    plot = hand.window.plot
    hand.qtbot.wait(1)
    before = np.array(plot.viewRange())
    for key, moved in ((KEY.Key_Right, 0), (KEY.Key_Up, 1)):
        hand.qtbot.keyClick(plot, key)
        assert (np.array(plot.viewRange())[moved] > before[moved]).all()
    hand.qtbot.keyClick(plot, KEY.Key_Minus)
    assert (np.ptp(plot.viewRange(), axis=1) > np.ptp(before, axis=1)).all()
    hand.click("show all")
    np.testing.assert_allclose(plot.viewRange(), before, atol=0.02)  # the plot may be laid out anew


def test_what_is_copied_is_of_the_fit_and_not_of_later_changes(hand):
    fit(hand)
    hand.app.edit("fitting.loss", "cauchy")
    hand.app.edit("fitting.p0", {"mu": 1234.5625})
    hand.window.navigate_to("export")
    hand.click("copy command")
    said = QGuiApplication.clipboard().text()
    assert "gaussian" in said and "cauchy" not in said and "1234.5625" not in said


NUMBERS = [
    "1e-12",
    "0.12345678901234567",
    "123456789.12345679",
    "-1e-300",
    "1.7976931348623157e308",
]


@pytest.mark.parametrize("text", NUMBERS)
def test_a_number_keeps_all_its_digits(hand, text):
    hand.window.navigate_to("model")
    for column, key in ((1, "p0"), (4, "bounds")):
        hand.cell(1, column, text, "parameters")
        found = hand.app.state.get(f"fitting.{key}")["mu"]
        assert (found if key == "p0" else found[0]) == float(text)
        assert float(hand["parameters"].item(1, column).text()) == float(text)
    hand.app.edit("", json.loads(json.dumps(hand.app.state.content)))
    assert float(hand["parameters"].item(1, 1).text()) == float(text)


def test_a_cell_that_is_only_looked_at_is_not_rounded(hand):
    hand.window.navigate_to("model")
    table, start = hand["parameters"], hand.app.start.p0.copy()
    for row in range(3):
        for column in (1, 4, 5):
            table.setCurrentCell(row, column)
            hand.qtbot.keyClick(table, KEY.Key_F2)
            hand.qtbot.keyClick(table.viewport().focusWidget(), KEY.Key_Return)
    assert hand.app.state.get("fitting") is None
    assert hand.app.start.p0.tolist() == start.tolist()


def test_a_cell_that_is_edited_is_left_by_keys(hand):
    hand.window.navigate_to("model")
    hand.activate()
    table = hand["parameters"]
    table.setFocus()
    table.setCurrentCell(0, 1)
    hand.qtbot.keyClick(table, KEY.Key_F2)
    editor = table.viewport().focusWidget()
    hand.qtbot.keyClicks(editor, "5")
    hand.qtbot.keyClick(editor, KEY.Key_Tab)
    hand.qtbot.waitUntil(lambda: hand.app.state.get("fitting.p0") is not None)
    for _ in range(2):
        if (editor := table.viewport().focusWidget()) is not None:
            hand.qtbot.keyClick(editor, KEY.Key_Escape)
    hand.qtbot.keyClick(table, KEY.Key_Tab)
    assert not table.hasFocus()


@pytest.fixture
def german():
    """A desktop that writes 1,5, for Qt and for C."""
    before, of_c = QLocale(), locale.setlocale(locale.LC_NUMERIC)
    QLocale.setDefault(QLocale("de_DE"))
    for name in ("de_DE.UTF-8", "de_DE.utf8", "de_DE"):
        try:
            locale.setlocale(locale.LC_NUMERIC, name)
        except locale.Error:
            continue  # it is not installed: Qt's is
        break
    yield
    QLocale.setDefault(before)
    locale.setlocale(locale.LC_NUMERIC, of_c)


@pytest.mark.parametrize("text, value", [("1,5", 1.5), ("1.5", 1.5), ("−2,5e-3", -0.0025)])
def test_a_desktop_with_decimal_commas(german, hand, text, value, qtbot):
    x, y = hand.arrays
    hand.window.navigate_to("model")
    hand.cell(1, 1, text, "parameters")
    assert hand.app.state.get("fitting.p0") == {"mu": value}
    hand.app.edit("fitting.p0", None)
    fit(hand)
    expected, _ = scipys(GAUSSIAN.function, x, y, [3, 4, 1])
    table = hand["fitted parameters"]
    assert [float(table.item(i, 1).toolTip()) for i in range(3)] == pytest.approx(expected)
    np.testing.assert_allclose(float(table.item(1, 1).text()), expected[1], rtol=1e-2)
    hand.window.navigate_to("export")
    hand.export(str(hand.folder / "f.csv"))
    assert re.search(r"\d,\d+ ", (hand.folder / "f.csv").read_text()) is None
    assert repr(float(hand.app.result.popt[1])) in (hand.folder / "f.csv").read_text()


def test_a_number_with_two_commas_is_none(hand):
    hand.window.navigate_to("model")
    for text in ("1,234,567", "1.234,5", "one", "1 000", "nan"):
        hand.cell(1, 1, text, "parameters")
        assert hand.app.state.get("fitting") is None, text


PREFERENCES = ["[1]", '{"recent sessions": 5}', '{"recent sessions": [1, null, {}]}', "nul", None]


@pytest.mark.parametrize("text", PREFERENCES)
def test_no_preferences_prevent_the_start(qtbot, tmp_path, text):
    path = tmp_path / "window.json"
    path.mkdir() if text is None else path.write_text(text)
    window = MainWindow(AppState(), Preferences(path))
    qtbot.addWidget(window)
    window.show()
    for menu in window.session.findChildren(QMenu):
        menu.aboutToShow.emit()
    window.preferences.remember("sessions", "a.nlsq")  # into a folder nothing can be written
    assert window.preferences.recent("sessions") == ([] if text is None else ["a.nlsq"])


BAD_TARGETS = [
    "", "a", "a.xyz", "none/a.json", "peak.csv", ".", "x" * 300 + ".json", "~no-such-user/a.json",
    "a\0.json",
]  # fmt: skip


@pytest.mark.parametrize("name", BAD_TARGETS, ids=range(len(BAD_TARGETS)))
def test_a_file_that_cannot_be_written_is_said(hand, name, monkeypatch):
    monkeypatch.chdir(hand.folder)
    before = (hand.folder / "peak.csv").read_bytes()
    fit(hand)
    hand.window.navigate_to("export")
    hand.export(name)
    assert hand["export state"].text().startswith("⚠")
    assert {p.name for p in hand.folder.iterdir()} == {"peak.csv", "window.json"}
    assert (hand.folder / "peak.csv").read_bytes() == before


@pytest.mark.parametrize(
    "key", ["columns.x", "columns.y", "columns.sigma", "columns.group", "where"]
)
def test_what_is_typed_while_no_file_is_read_waits_for_one(key):
    assert refusal(None, key, "t > 2") is None


def test_an_empty_clipboard_is_said(hand):
    content = hand.app.state.to_json()
    QGuiApplication.clipboard().clear()
    hand.window.paste()
    assert "no number" in hand.window.notice.text and hand.app.state.to_json() == content


def test_nothing_is_disconnected():
    """PySide6's `disconnect` raises SystemError where Qt has done it before."""
    folder = Path(nlsq.gui_qt.__file__).parent
    sources = {path: path.read_text("utf-8") for path in folder.rglob("*.py")}
    assert [p.name for p, text in sources.items() if ".disconnect(" in text] == []


def test_what_a_fit_tells_arrives_in_the_thread_of_the_window(hand):
    app, threads = hand.app, {}
    for name in ("running_changed", "result_changed", "progressed", "problems_changed"):
        getattr(app, name).connect(
            lambda *_, name=name: threads.setdefault(name, []).append(threading.current_thread())
        )
    fit(hand)
    hand.app.edit("model", {"formula": "a*log(t - 100)"})
    app.fit()
    hand.qtbot.waitUntil(lambda: not app.running)
    assert {"running_changed", "result_changed", "problems_changed"} <= threads.keys()
    assert {t for all_ in threads.values() for t in all_} == {threading.main_thread()}


def test_points_of_another_scale_are_drawn(hand, tmp_path):
    plot = hand.window.plot
    for scale in (1e300, 1e-300, 1e18, 1.0, 1e308, 1.0):
        s = repr(scale)
        (tmp_path / "s.csv").write_text(f"t,V,e\n-{s},-{s},{s}\n0,0,{s}\n{s},{s},{s}\n")
        hand.app.put("data", None)
        hand.app.open(tmp_path / "s.csv")
        hand.app.edit("data.columns.sigma", "e")
        hand.qtbot.wait(1)
        drawn = plot.points.getOriginalDataset()[0]
        assert drawn.tolist() == ([-scale, 0.0, scale] if scale < 1e300 else [0.0])
        (left, right), _ = plot.viewRange()
        assert left < right and (left < -scale and right > scale) == (scale < 1e300)


def test_a_table_that_is_not_seen_reads_few_rows(hand, monkeypatch):
    np.save(hand.folder / "many.npy", np.column_stack([np.arange(5000.0)] * 2))
    count, data = itertools.count(), group_fits._Rows.data
    monkeypatch.setattr(group_fits._Rows, "data", lambda *given: (next(count), data(*given))[1])
    for page in ("results", "data", "fitting", "model"):
        hand.window.navigate_to(page)
        hand.app.open(hand.folder / "many.npy")
        hand.app.edit("data.columns.group", "c0")
        hand.qtbot.wait(1)
        hand.app.history.undo()
    assert 0 < next(count) < 30_000
