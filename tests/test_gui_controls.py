"""Every control of the window is named, explained, reached by keys, and driven by a test.

The table of them is `ROWS` of `tests/gui_rows.py`: a control that has no row there fails here.
"""

import re

import numpy as np
import pytest

pytest.importorskip("pyqtgraph", exc_type=ImportError)
pytest.importorskip("pytestqt")

from PySide6.QtCore import QEvent, Qt
from PySide6.QtWidgets import (
    QAbstractButton,
    QApplication,
    QMenu,
    QPlainTextEdit,
    QPushButton,
    QTabBar,
)

from nlsq.gui_qt.session_state import SessionState
from tests.gui_hand import Hand, Touched, actions, controls, row_of, told, widgets
from tests.gui_rows import CODE, CTRL, GAUSSIAN, KEY, PLACES, ROWS
from tests.gui_window import fit

MADE = ("recent sessions *", "recent data *", "notice close")  # by what is done


@pytest.fixture(scope="module")
def shared(one_window, tmp_path_factory):
    """One window, a file, and the numbers in it."""
    folder = tmp_path_factory.mktemp("controls")
    t = np.linspace(0, 10, 60)
    v = GAUSSIAN(t, 3.0, 4.2, 0.7) + 0.05 * np.random.default_rng(3).normal(size=t.size)
    np.savetxt(folder / "peak.csv", np.column_stack([t, v, 0.05 + 0 * t]), delimiter=",",
               header="t,V,e", comments="")  # fmt: skip
    (folder / "other.csv").write_text("u,w\n1,2\n2,4\n3,8\n")
    (folder / "code.py").write_text(CODE)
    window = one_window.fresh(folder)
    window.resize(1366, 768)
    window.app.put("", content(folder))
    fit(window)
    arrays = np.loadtxt(folder / "peak.csv", delimiter=",", skiprows=1).T
    return window, folder, arrays, window.app.document, window.app.result


def content(folder):
    return {"data": {"input_file": str(folder / "peak.csv")}, "model": {"name": "gaussian"}}


@pytest.fixture
def hand(shared, qtbot, monkeypatch):
    """A hand on the window as it is after a fit."""
    window, folder, arrays, document, result = shared
    app, made = window.app, Hand(window, qtbot, folder)
    made.arrays, made.patch, made.closing = arrays, monkeypatch, []
    made.popt = result.popt.tolist()
    window.show()
    if app.state.content != content(folder) or app.result is not result:
        app.put("", content(folder))
        app._settings, app._asked = app.settings(), (content(folder), app.points)
        app._take(document, result)
    app.history.clear()
    if app.state.theme != "system":
        window.set_theme("system")
    window.notice.say("", {})
    QApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)  # the buttons of notices
    window.session.path = None
    window.pages["fitting"].more.setChecked(False)
    window.pages["data"].opener.setChecked(False)
    window.masks.range.setChecked(False)
    window.pages["model"].search.clear()
    window.pages["export"].path.clear()
    hand_back = SessionState()
    vars(app.state).update(level=hand_back.level, draws=hand_back.draws)
    app.view_changed.emit()
    made["fit a range"].setChecked(False)
    made["mask points"].setChecked(False)
    yield made
    for close in made.closing:
        close()
    app.wait()
    qtbot.waitUntil(lambda: not app.running)


def unknown(top):
    """What is wrong with the controls of a window, in words that say what to do."""
    wrong = []
    for control in controls(top):
        name, spoken, tip = told(control)
        what = f"the {type(control).__name__} {name or spoken or tip or '(nameless)'!r}"
        for has, setter in (
            (name, "setObjectName"), (spoken, "setAccessibleName"), (tip, "setToolTip"),
        ):  # fmt: skip
            if not has:
                wrong.append(f"{what} needs {setter}(...)")
        if name and row_of(name, ROWS) is None:
            wrong.append(
                f"{what} has no test. Add to ROWS in tests/gui_rows.py, for example:\n"
                f'    "{name}": Row("PAGE", clicks, entry("section.key", VALUE)),'
            )
    return wrong


@pytest.mark.parametrize("place", PLACES)
def test_every_control_is_named_explained_and_in_the_table(hand, place):
    PLACES[place](hand)
    assert not (wrong := unknown(hand.window)), "\n" + "\n".join(wrong)


def test_a_control_without_a_row_fails(hand):
    added = QPushButton("New", hand.window)
    added.setObjectName("new")
    said = "\n".join(unknown(hand.window))
    added.setParent(None)
    for words in ("needs setAccessibleName", "needs setToolTip", "Add to ROWS", '"new": Row('):
        assert words in said


@pytest.mark.parametrize("name", ROWS)
def test_a_control_does_what_it_is_for(hand, name):
    row = ROWS[name]
    PLACES[row.place](hand)
    hand.name = name
    made = name.startswith("recent ") or name == "notice close"  # by what is done
    seen = None if made else Touched(hand.find())
    row.act(hand)
    assert made or seen.count, "nothing touched it"
    assert row.then(hand)
    for top in QApplication.topLevelWidgets():  # a dialog that this opened, too
        if top is not hand.window and top.isVisible() and not top.parent():
            assert not (wrong := unknown(top)), "\n" + "\n".join(wrong)


def test_what_the_search_suggests_is_found(hand):
    words = hand["search models"].placeholderText().removeprefix("Search: ").split(", ")
    for word in words[:-1]:
        hand.write(word, "search models", end=None)
        assert hand["models"].count() > 1, word


def walk(hand, tab=KEY.Key_Tab, held=Qt.KeyboardModifier.NoModifier):
    """The names that Tab comes to, from the list of pages round to it again."""
    hand.window.sidebar.setFocus()
    names = []
    for _ in range(200):
        at = hand.window.focusWidget()
        hand.qtbot.keyClick(at, tab, held | CTRL if isinstance(at, QPlainTextEdit) else held)
        after = hand.window.focusWidget()
        assert after is not at, f"Tab does not leave {at.objectName()}"
        if after is hand.window.sidebar:
            return names
        if isinstance(after, QTabBar):
            after = after.parentWidget()
        while after.objectName().startswith("qt_") or not after.objectName():
            after = after.parentWidget()
        names.append(after.objectName())
    raise AssertionError(f"Tab goes round among {names[-5:]} for ever")


def mnemonics(hand):
    """The letters that Alt takes at once, and what takes them."""
    menus = [action.text() for action in hand.window.menuBar().actions()]
    seen = [w.text() for w in hand.window.findChildren(QAbstractButton) if w.isVisible()]
    for bar in hand.window.findChildren(QTabBar):
        seen += [bar.tabText(i) for i in range(bar.count())] if bar.isVisible() else []
    letters = {}
    for text in menus + seen:
        for letter in re.findall(r"&(\w)", text.lower()):
            letters.setdefault(letter, []).append(text)
    return letters


@pytest.mark.parametrize("place", [name for name in PLACES if name not in ("crashed", "failed")])
def test_tab_comes_to_every_control_and_leaves_it(hand, place):
    PLACES[place](hand)
    hand.activate()
    reached = walk(hand)
    back = walk(hand, KEY.Key_Backtab, Qt.KeyboardModifier.ShiftModifier)
    assert back == reached[::-1] and len(set(reached)) == len(reached)
    for widget in widgets(hand.window):
        if widget.isVisible() and widget.isEnabled() and widget is not hand.window.sidebar:
            assert widget.objectName() in reached, f"{widget.objectName()!r} is out of reach of Tab"
    for letter, texts in mnemonics(hand).items():
        assert len(texts) == 1, f"Alt+{letter.upper()} is all of {texts}"


def test_no_two_controls_share_a_key(hand):
    of_one = Qt.ShortcutContext.WidgetShortcut
    others = [a for a in actions(hand.window) if a.shortcutContext() != of_one]
    keys = [key.toString() for a in others for key in a.shortcuts()]
    assert len(set(keys)) == len(keys), sorted(keys)
    for menu in hand.window.findChildren(QMenu):
        letters = re.findall(r"&(\w)", " ".join(a.text() for a in menu.actions()).lower())
        assert len(set(letters)) == len(letters), (menu.title(), letters)
