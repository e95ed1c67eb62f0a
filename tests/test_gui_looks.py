"""Looks that can be tested: nothing cut off, themes that can be read, focus that is seen."""

import copy

import numpy as np
import pytest

pytest.importorskip("pyqtgraph", exc_type=ImportError)
pytest.importorskip("pytestqt")

import pyqtgraph as pg
from PySide6.QtCore import QPoint, QRect, Qt
from PySide6.QtGui import QColor, QPalette
from PySide6.QtWidgets import (
    QAbstractButton,
    QAbstractScrollArea,
    QApplication,
    QLabel,
    QPlainTextEdit,
    QTabBar,
)

from nlsq.gui_qt.main_window import MainWindow
from nlsq.gui_qt.theme import DARK_THEME, LIGHT_THEME
from tests.gui_hand import Hand, widgets
from tests.gui_rows import PLACES
from tests.gui_window import fit

# all but those that open other data
SEEN = [p for p in PLACES if p not in ("crashed", "failed", "data, sheets", "data, groups")]
LONG = ["a_very_" + "long_" * 13 + f"name_{k}" for k in range(3)]  # of 80 letters


@pytest.fixture(scope="module")
def shared(one_window, tmp_path_factory):
    """A window with names of 80 letters, in columns, parameters and files, after a fit."""
    folder = tmp_path_factory.mktemp("looks-" + "x" * 80)
    x = np.linspace(0, 10, 60)
    y = 3 * np.exp(-x / 2) + 1 + 0.02 * np.random.default_rng(1).normal(size=60)
    rows = np.column_stack([x, y, 0.02 + 0 * x])
    names = ",".join(f"column_{name}" for name in LONG)
    np.savetxt(folder / "long.csv", rows, delimiter=",", header=names, comments="")
    window = one_window.fresh(folder)
    text = f"{LONG[0]}*exp(-x/{LONG[1]}) + {LONG[2]}"
    window.app.put("", {"data": {"input_file": str(folder / "long.csv")},
                        "model": {"formula": text, "variable": "x"},
                        "fitting": {"p0": {LONG[1]: 1.25e-300 + 2}}})  # fmt: skip
    window.before = copy.deepcopy(window.app.state.content)
    fit(window)
    return window


@pytest.fixture
def hand(shared, qtbot, tmp_path):
    made = Hand(shared, qtbot, tmp_path)
    made.closing = []
    shared.pages["fitting"].more.setChecked(False)
    if shared.app.state.content != shared.before or shared.app.result is None:
        shared.app.put("", shared.before)
        if shared.app.result is None:
            fit(shared)
    shared.set_theme("light")
    return made


def parts(widget):
    while (widget := widget.parentWidget()) is not None:
        yield widget


@pytest.mark.parametrize("size", [(1366, 768), (MainWindow.MIN_WIDTH, MainWindow.MIN_HEIGHT)])
@pytest.mark.parametrize("place", SEEN)
def test_nothing_is_cut_off(hand, place, size):
    window = hand.window
    PLACES[place](hand)
    window.resize(*size)
    QApplication.processEvents()
    assert (window.width(), window.height()) == size, "something is larger than the screen"
    inner = [w for w in widgets(window) if w.isVisible()]
    inner += [w for w in window.findChildren(QLabel) if w.isVisible() and w.text()]
    for widget in inner:
        if any(isinstance(part, QAbstractScrollArea) for part in parts(widget)):
            continue  # which scrolls
        name = widget.objectName() or widget.text()
        for part in parts(widget):
            assert part.rect().contains(QRect(widget.mapTo(part, QPoint()), widget.size())), name
        if isinstance(widget, QAbstractButton | QLabel) and not getattr(widget, "wordWrap", bool)():
            assert widget.width() >= widget.minimumSizeHint().width(), name
        elif isinstance(widget, QLabel):
            assert widget.height() >= widget.heightForWidth(widget.width()), name


@pytest.mark.parametrize("name, place, first", [
    ("parameters", "model", 1), ("fitted parameters", "results", 1)])  # fmt: skip
def test_long_names_leave_room_for_the_numbers(hand, name, place, first):
    PLACES[place](hand)
    hand.window.resize(1366, 768)
    QApplication.processEvents()
    table = hand[name]
    assert table.item(0, 0).text() == LONG[0] and LONG[0] in table.item(0, 0).toolTip()
    assert table.textElideMode() == Qt.TextElideMode.ElideMiddle  # their ends differ
    number = table.visualItemRect(table.item(1, first))
    assert table.viewport().rect().contains(number)
    text = table.fontMetrics().horizontalAdvance(table.item(1, first).text())
    assert number.width() > min(text, 80)


def contrast(one, other):
    """The ratio of WCAG 2: 1 is the same, 21 black on white."""

    def light(colour):
        parts = np.array(QColor(colour).getRgbF()[:3])
        linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
        return float(linear @ (0.2126, 0.7152, 0.0722))

    high, low = sorted((light(one), light(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("theme", [LIGHT_THEME, DARK_THEME], ids=["light", "dark"])
def test_both_themes_can_be_read(hand, theme):
    assert contrast(theme.foreground, theme.background) >= 7
    for colour in (theme.data, theme.fit, theme.start, theme.residual):
        assert contrast(colour, theme.background) >= 3, colour
    hand.window.set_theme(theme.name)
    role, palette = QPalette.ColorRole, QApplication.palette()
    for colour in (theme.good, theme.doubtful, theme.bad):
        for ground in (role.Base, role.Window):
            assert contrast(colour, palette.color(ground)) >= 4.5, colour
    for text, ground in (
        (role.WindowText, role.Window), (role.Text, role.Base), (role.ButtonText, role.Button),
        (role.Text, role.AlternateBase), (role.HighlightedText, role.Highlight),
        (role.ToolTipText, role.ToolTipBase),
    ):  # fmt: skip
        assert contrast(palette.color(text), palette.color(ground)) >= 4.5, text
    assert contrast(palette.color(role.PlaceholderText), palette.color(role.Base)) >= 3
    for plot in hand.window.findChildren(pg.PlotWidget):
        assert plot.theme is theme


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("place", SEEN)
def test_focus_is_seen(hand, place, theme):
    PLACES[place](hand)
    window = hand.window
    window.set_theme(theme)
    window.resize(1366, 768)
    hand.activate()
    window.sidebar.setFocus(Qt.FocusReason.TabFocusReason)
    CTRL = Qt.KeyboardModifier.ControlModifier
    before, seen = window.grab().toImage(), 0
    for _ in range(60):
        at = window.focusWidget()
        held = CTRL if isinstance(at, QPlainTextEdit) else Qt.KeyboardModifier.NoModifier
        hand.qtbot.keyClick(at, Qt.Key.Key_Tab, held)
        if (now := window.focusWidget()) is window.sidebar:
            break
        rect = QRect(now.mapTo(window, QPoint()), now.size()).adjusted(-3, -3, 3, 3)
        was = before.copy(rect)  # with the room for a frame around it
        for _ in range(20):
            if (after := window.grab().toImage()).copy(rect) != was:
                break
            hand.qtbot.wait(20)
        assert after.copy(rect) != was, f"focus on {now.objectName()} is not seen"
        before, seen = after, seen + 1
    assert seen > 2


def test_pictures_are_those_of_the_theme(hand):
    """Every page is painted anew when the theme changes, with nothing left of the other one."""
    window = hand.window
    for place in ("data", "model, code", "fitting, search", "results"):
        PLACES[place](hand)
        light = {}
        for theme in ("light", "dark", "light"):
            window.set_theme(theme)
            QApplication.processEvents()
            image = window.grab().toImage().scaled(32, 18)
            levels = [image.pixelColor(x, y).lightness() for x in range(32) for y in range(18)]
            light.setdefault(theme, []).append(np.median(levels))
        assert light["dark"][0] < 80 and min(light["light"]) > 180, (place, light)


def test_tab_bars_show_whole_titles(hand):
    for bar in hand.window.findChildren(QTabBar):
        assert all(
            bar.tabRect(i).width() > bar.fontMetrics().horizontalAdvance(bar.tabText(i))
            for i in range(bar.count())
        )
