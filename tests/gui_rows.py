"""The table of the window's controls: what a person does with each, and what must follow.

A NEW CONTROL NEEDS A ROW in `ROWS`: its objectName (or a family, "slider *"), the place where it is
seen (`PLACES`), what a person does with mouse or keys, and what must follow, told from outside: an
entry of the settings, SciPy, NumPy, a file. Without a row the suite fails and says what to add.
"""

import json
import re
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest
from PySide6.QtCore import QPointF, Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QFileDialog, QMenu
from scipy.optimize import curve_fit as scipys

from nlsq import models
from nlsq.gui_qt.adapters.config_adapter import write_session
from nlsq.gui_qt.adapters.fit_adapter import FitWorker
from nlsq.gui_qt.autosave import AutosaveManager
from nlsq.gui_qt.session_state import SessionState
from tests.gui_hand import LEFT, Hand

USUAL = SessionState().draws
CTRL = Qt.KeyboardModifier.ControlModifier
KEY = Qt.Key
GAUSSIAN = models.get("gaussian")
CODE = "def half(x, a):\n    return a * x / 2\n\n\ndef line(x, a, b):\n    return a * x + b\n"


# ------------------------------------------------------------------------- where controls are seen


def _page(name, *steps):
    def go(hand):
        hand.window.navigate_to(name)
        for step in steps:
            step(hand)

    return go


def _tab(number):
    return lambda hand: hand["model kinds"].setCurrentIndex(number)


def _part(number):
    return lambda hand: hand["results parts"].setCurrentIndex(number)


def _unfolded(hand):
    hand.window.pages["fitting"].more.setChecked(True)


def _set(**entries):
    def go(hand):
        for key, value in entries.items():
            hand.app.put(f"fitting.{key}", value)

    return go


def _crashed(hand):
    """A session that a crash left is offered."""
    kept = hand.folder / "kept"
    kept.mkdir(exist_ok=True)
    (kept / "1-ab.json").write_text(SessionState({"model": {"name": "linear"}}).to_json())
    manager = AutosaveManager(hand.app, hand.window, kept)
    hand.window.session.keep(manager)
    hand.closing.append(manager.stop)


PLACES: dict[str, Callable[[Hand], None]] = {
    "data": _page("data"),
    "model": _page("model", _tab(0)),
    "model, code": _page("model", _tab(1)),
    "fitting": _page("fitting"),
    "fitting, advanced": _page("fitting", _set(loss="huber"), _unfolded),
    "fitting, search": _page("fitting", _set(preset="fast"), _unfolded),
    "results": _page("results", _part(0)),
    "results, health": _page("results", _part(1)),
    "results, residuals": _page("results", _part(2)),
    "results, correlations": _page("results", _part(3)),
    "export": _page("export"),
    "crashed": _page("data", _crashed),
    "failed": _page("data", lambda hand: hand.window.session._say_failure("The disk is full.")),
}


# --------------------------------------------------------------------- what a person does


def clicks(hand):
    hand.click()


def writes(text, end=KEY.Key_Return):
    return lambda hand: hand.write(text.format(folder=hand.folder), end=end)


def picks(text):
    return lambda hand: hand.pick(text)


def presses(*keys, held=Qt.KeyboardModifier.NoModifier):
    return lambda hand: hand.key(*keys, held=held)


def first(*steps):
    """Several things, one after the other."""
    return lambda hand: [step(hand) for step in steps]


def answers(file):
    """The dialog for a file that opens next is answered."""

    def prepare(hand):
        for which in ("getOpenFileName", "getSaveFileName"):
            hand.patch.setattr(QFileDialog, which, lambda *_: (str(hand.folder / file), ""))

    return prepare


def edited(hand):
    hand.app.edit("fitting.loss", "cauchy")


# ----------------------------------------------------------------------------- what must follow


def entry(key, value):
    """An entry of the settings."""
    return lambda hand: hand.app.state.get(key) == value


def column(role, expected):
    """The numbers of a column, from those that the file was written with."""
    return lambda hand: np.allclose(getattr(hand.app.points, role), expected(*hand.arrays))


def other_file(hand):
    return hand.app.table.names == ["u", "w"] and hand.app.points.y.tolist() == [2.0, 4.0, 8.0]


def copied(pattern):
    return lambda hand: re.search(pattern, QGuiApplication.clipboard().text(), re.DOTALL)


def moved(hand):
    """The mouse moved what a plot shows."""
    return not np.allclose(hand.find().viewRange(), hand.before)


def fitted(hand):
    x, y, _ = hand.arrays
    hand.qtbot.waitUntil(lambda: not hand.app.running, timeout=10_000)
    expected, _ = scipys(GAUSSIAN.function, x, y, [3, 4, 1])
    return np.allclose(hand.app.result.popt, expected, rtol=1e-6)


def stopped(hand):
    """It was asked to stop, and did; how is tests/test_gui_fitting.py's."""
    hand.qtbot.waitUntil(lambda: not hand.app.running, timeout=20_000)
    return hand.stops == 1


# ------------------------------------------------------------------- what takes several steps


def see(hand, view):
    """What a plot shows, before it is moved."""
    hand.before = np.array(view.viewRange())


def pan(hand):
    view = hand.find()
    see(hand, view)
    (left, right), (low, high) = hand.before
    middle, level = (left + right) / 2, low + 0.9 * (high - low)
    hand.drag(view, (middle, level), (middle + (right - left) / 5, level))


def drag_peak(hand):
    start = hand.find().pos()
    hand.drag(hand.window.plot, (start.x(), start.y()), (5.0, 2.0))


def peak_follows(hand):
    return np.allclose(list(hand.app.start.p0)[:2], (2.0, 5.0), atol=0.05)


def add_peak(hand):
    hand.app.put("fitting.p0", None)
    hand.app.put("model", None)
    hand.click()
    plot = hand.window.plot
    at = plot.mapFromScene(plot.plotItem.vb.mapViewToScene(QPointF(4.0, 3.0)))
    hand.qtbot.mouseClick(plot.viewport(), LEFT, pos=at)


def take_model(hand):
    names = hand.find()
    item = next(names.item(i) for i in range(names.count()) if "(linear)" in names.item(i).text())
    names.scrollToItem(item)
    hand.qtbot.mouseClick(names.viewport(), LEFT, pos=names.visualItemRect(item).center())


def take_tab(hand):
    bar = hand.find().tabBar()
    hand.qtbot.mouseClick(bar, LEFT, pos=bar.tabRect(1).center())


def write_code(hand):
    editor = hand.find()
    editor.setFocus()
    editor.selectAll()
    hand.qtbot.keyClicks(editor, "def f(x, a):")
    hand.qtbot.keyClick(editor, KEY.Key_Return)
    hand.qtbot.keyClicks(editor, "return a * x")
    editor.check()


def with_code(hand):
    hand["model code"].setPlainText(CODE)
    hand["model code"].check()


def fit_again(hand):
    hand.app.fit()
    hand.qtbot.waitUntil(lambda: not hand.app.running, timeout=10_000)
    hand.window.navigate_to("fitting")


def ends_at_the_cost(hand):
    x, y, _ = hand.arrays
    r, rows = y - GAUSSIAN(x, *hand.popt), hand.find().model()
    last = rows.index(rows.rowCount() - 1, 1)
    return hand.find().currentIndex().row() >= 0 and float(last.data()) == pytest.approx(r @ r / 2)


def start_fit(hand):
    stop, hand.stops = FitWorker.stop, 0

    def told(worker):
        hand.stops += 1
        stop(worker)

    hand.patch.setattr(FitWorker, "stop", told)
    hand.app.fit()


def second_page(hand):
    view = hand.find()
    hand.qtbot.mouseClick(view.viewport(), LEFT, pos=view.visualItemRect(view.item(1)).center())


def second_row(hand):
    view = hand.find()
    place = view.visualRect(view.model().index(1, 0)).center()
    hand.qtbot.mouseClick(view.viewport(), LEFT, pos=place)


def see_scale(hand):
    hand.before = hand.find().scale.high


def row_reads(hand):
    """The cell below the first, as the file has it."""
    view = hand.find()
    place = view.currentIndex()
    text = (hand.folder / "peak.csv").read_text().splitlines()[2].split(",")[0]
    return (place.row(), place.column()) == (1, 0) and float(place.data()) == pytest.approx(
        float(text)
    )


def value_reads(hand):
    item = hand.find().currentItem()
    return item.row() == 1 and float(item.toolTip()) == hand.app.result.popt[1]


def saved_session(hand):
    saved = json.loads((hand.folder / "mine.nlsq").read_text())
    return saved["content"]["model"] == {"name": "gaussian"}


def recent(hand):
    write_session(hand.folder / "old.nlsq", SessionState({"model": {"name": "linear"}}))
    hand.window.preferences.remember("sessions", str(hand.folder / "old.nlsq"))
    hand.window.preferences.remember("data", str(hand.folder / "other.csv"))
    for menu in hand.window.session.findChildren(QMenu):
        menu.aboutToShow.emit()  # as it opens


def put_table(hand):
    QGuiApplication.clipboard().setText((hand.folder / "other.csv").read_text())


def leave_out(hand):
    """Click the fourth point."""
    hand.click()
    x, y, _ = hand.arrays
    plot = hand.window.plot
    at = plot.mapFromScene(plot.plotItem.vb.mapViewToScene(QPointF(x[3], y[3])))
    hand.qtbot.mouseClick(plot.viewport(), LEFT, pos=at)


def left_out(hand):
    hand.qtbot.waitUntil(lambda: hand.app.points.y.size == 59, timeout=2000)
    return np.array_equal(hand.app.points.x, np.delete(hand.arrays[0], 3))


def drag_edge(hand):
    hand.click("fit a range")
    hand.drag(hand.window.plot, (0.0, 2.0), (3.0, 2.0))


def copies_all(hand):
    hand.key(KEY.Key_A, held=CTRL)
    hand.key(KEY.Key_C, held=CTRL)


def first_part(hand):
    bar = hand.find().tabBar()
    hand.qtbot.mouseClick(bar, LEFT, pos=bar.tabRect(1).center())


def correlated(hand):
    c = hand.app.result.pcov
    expected = c[0, 1] / np.sqrt(c[0, 0] * c[1, 1])
    return abs(float(hand.find().item(0, 1).text().replace("−", "-")) - expected) < 0.01


def explained(hand):
    x, y, _ = hand.arrays
    r = y - GAUSSIAN(x, *hand.app.result.popt)
    share = 1 - r @ r / ((y - y.mean()) @ (y - y.mean()))
    table = hand.find()
    row = table.findItems("R²", Qt.MatchFlag.MatchExactly)[0].row()
    return float(table.item(row, 1).text()) == pytest.approx(share, rel=1e-5)


def profiled(hand):
    table = hand["fitted parameters"]
    hand.qtbot.waitUntil(lambda: hand["profile intervals"].text() == "Profile &intervals",
                         timeout=20_000)  # fmt: skip
    return "rofile" in "".join(
        table.horizontalHeaderItem(k).text() for k in range(table.columnCount())
    )


class Row(NamedTuple):
    """A control: where it is seen, what is done to it, and what must follow."""

    place: str
    act: Callable[[Hand], Any]
    then: Callable[[Hand], Any]


def option(text, value, place="fitting, advanced"):
    """A field of the advanced options, by its row's name."""
    return Row(place, writes(text), lambda hand: entry(hand.name.replace(" ", "."), value)(hand))


ROWS = {
    # the window
    "pages": Row("data", second_page, lambda h: h.app.state.page == "model"),
    "Data and fit": Row("data", pan, moved),
    "Residuals": Row("data", pan, moved),
    "handle *": Row("model", drag_peak, peak_follows),
    # the page 'data'
    "data file": Row("data", writes("{folder}/other.csv"), other_file),
    "open file": Row("data", first(answers("other.csv"), clicks), other_file),
    "column x": Row("data", writes("log(t + 1)"), column("x", lambda t, v, e: np.log(t + 1))),
    "column y": Row("data", writes("2*V"), column("y", lambda t, v, e: 2 * v)),
    "column sigma": Row("data", picks("e"), column("sigma", lambda t, v, e: e)),
    "data table": Row("data", first(second_row, presses(KEY.Key_Up, KEY.Key_Down)), row_reads),
    "fit a range": Row("data", clicks, lambda h: h.window.plot.span.isVisible()),
    "first x": Row("data", writes("2,5"), entry("data.x_range", [2.5, None])),
    "last x": Row("data", writes("7"), entry("data.x_range", [None, 7.0])),
    "fitted range": Row(
        "data", drag_edge,
        lambda h: h.app.state.get("data.x_range")[0] == pytest.approx(3, abs=0.05)),
    "mask points": Row("data", leave_out, left_out),
    "use all points": Row(
        "data", first(lambda h: h.app.put("data.x_range", [2.0, 3.0]), clicks),
        entry("data.x_range", None)),
    # the page 'model'
    "model kinds": Row("model", take_tab, lambda h: h["model code"].isVisible()),
    "search models": Row(
        "model", writes("kinetics", end=None),
        lambda h: 12 < h["models"].count() < 20 and not h["models"].findItems(
            "(gaussian)", Qt.MatchFlag.MatchContains),
    ),
    "models": Row("model", take_model, entry("model", {"name": "linear"})),
    "about the model": Row(
        "model", first(presses(KEY.Key_A, held=CTRL), presses(KEY.Key_C, held=CTRL)),
        copied(GAUSSIAN.parameters[0].meaning),
    ),
    "model text": Row("model", writes("a*t + b"), entry("model", {"formula": "a*t + b"})),
    "parameters": Row("model", lambda h: h.cell(1, 1, "1e-12"), entry("fitting.p0.mu", 1e-12)),
    "slider *": Row(
        "model", first(see_scale, presses(KEY.Key_End)),
        lambda h: h.app.start.p0[0] == pytest.approx(h.before),
    ),
    "guess start": Row(
        "model", first(_set(p0={"mu": 9.0}), clicks), entry("fitting.p0", None)),
    "take fit as start": Row(
        "model", clicks, lambda h: list(h.app.state.get("fitting.p0").values()) == h.popt),
    "add peaks": Row(
        "model", add_peak,
        lambda h: h.app.state.get("fitting.p0.mu") == pytest.approx(4.0, abs=0.05)),
    "peak to add": Row(
        "model", picks("lorentzian"), lambda h: h.find().currentText() == "lorentzian"),
    "model code": Row(
        "model, code", write_code,
        lambda h: h.find().toPlainText() == "def f(x, a):\n    return a * x"),
    "model function": Row(
        "model, code", first(with_code, picks("line")),
        lambda h: h.find().currentText() == "line"),
    "open code": Row(
        "model, code", first(answers("code.py"), clicks),
        lambda h: h["model code"].toPlainText() == CODE),
    "use code": Row(
        "model, code", first(with_code, lambda h: h.pick("half", "model function"), clicks),
        lambda h: h.app.model.names == ("a",)),
    # the page 'fitting'
    "fitting method": Row("fitting", picks("lm"), entry("fitting.method", "lm")),
    "fitting preset": Row("fitting", picks("robust"), entry("fitting.preset", "robust")),
    "fitting loss": Row("fitting", picks("soft_l1"), entry("fitting.loss", "soft_l1")),
    "fitting nan_policy": Row("fitting", picks("omit"), entry("fitting.nan_policy", "omit")),
    "absolute sigma": Row(
        "fitting", first(lambda h: h.app.put("data.columns.sigma", "e"), clicks),
        entry("fitting.absolute_sigma", True)),
    "advanced options": Row("fitting", clicks, lambda h: h["fitting ftol"].isVisible()),
    "fitting ftol": option("1e-300", 1e-300),
    "fitting xtol": option("1,5e-7", 1.5e-7),
    "fitting gtol": option("0.25", 0.25),
    "fitting max_nfev": option("50", 50),
    "fitting time_limit": option("0,5", 0.5),
    "fitting f_scale": option("1e-12", 1e-12),
    "fitting n_starts": option("12", 12, "fitting, search"),
    "fitting sampler": Row("fitting, search", picks("sobol"), entry("fitting.sampler", "sobol")),
    "fitting center_on_p0": Row(
        "fitting, search", picks("no"), entry("fitting.center_on_p0", False)),
    "fitting scale_factor": option("0.5", 0.5, "fitting, search"),
    "fitting seed": option("7", 7, "fitting, search"),
    "fit": Row("fitting", clicks, fitted),
    "stop": Row("fitting", first(start_fit, clicks), stopped),
    "iterations": Row(
        "fitting", first(fit_again, presses(KEY.Key_Down)), ends_at_the_cost),
    "Cost of each iteration": Row("fitting", pan, moved),
    # the page 'results'
    "fitted parameters": Row("results", first(second_row, presses(KEY.Key_Right)), value_reads),
    "results parts": Row("results", first_part, lambda h: h["health report"].isVisible()),
    "statistics": Row("results", presses(KEY.Key_Down), explained),
    "profile intervals": Row("results", clicks, profiled),
    "confidence level": Row("results", writes("90"), lambda h: h.app.state.level == 0.9),
    "draw confidence": Row("results", clicks, lambda h: "confidence" not in h.app.state.draws),
    "draw prediction": Row("results", clicks, lambda h: "prediction" in h.app.state.draws),
    "draw standardised": Row(
        "results", first(lambda h: h["draw standardised"].setEnabled(True), clicks),
        lambda h: ("standardised" in h.app.state.draws) != ("standardised" in USUAL)),
    "health report": Row("results, health", copies_all, copied(r"\w+")),
    "Histogram of residuals": Row("results, residuals", pan, moved),
    "Normal quantiles of residuals": Row("results, residuals", pan, moved),
    "correlations": Row("results, correlations", presses(KEY.Key_Right), correlated),
    # the page 'export'
    "export kind": Row(
        "export", lambda h: h.pick(h.find().itemText(1)),
        lambda h: h["export file"].text().startswith(str(h.folder / "peak-fit."))),
    "export file": Row(
        "export", writes("{folder}/a b.json"), lambda h: h.find().text().endswith("a b.json")),
    "choose export file": Row(
        "export", first(answers("chosen.json"), clicks),
        lambda h: h["export file"].text() == str(h.folder / "chosen.json")),
    "write": Row(
        "export", first(lambda h: h["export file"].setText(str(h.folder / "f.json")), clicks),
        lambda h: json.loads((h.folder / "f.json").read_text())["popt"] == h.popt),
    "copy python": Row("export", clicks, copied(r"import nlsq.*curve_fit|from nlsq import")),
    "copy command": Row("export", clicks, copied(r"^nlsq fit .*peak\.csv.*gaussian")),
    "copy configuration": Row("export", clicks, copied(r"input_file: .*peak\.csv")),
    # the menus
    "open session": Row(
        "data", first(recent, answers("old.nlsq"), clicks), entry("model", {"name": "linear"})),
    "recent sessions *": Row("data", first(recent, clicks), entry("model", {"name": "linear"})),
    "recent data *": Row("data", first(recent, clicks), other_file),
    "paste data": Row(
        "data", first(put_table, clicks), other_file),
    "copy figure": Row("data", clicks, lambda h: not QGuiApplication.clipboard().image().isNull()),
    "copy table": Row("results", clicks, copied(r"Value.*\d\.\d{12}")),
    "reopen the last session": Row(
        "crashed", first(lambda h: (h.folder / "kept" / "last.json").write_text(
            SessionState({"model": {"name": "quadratic"}}).to_json()),
            lambda h: h.window.session.keep(h.window.session._autosave), clicks),
        entry("model", {"name": "quadratic"})),
    "save session": Row("data", first(answers("mine"), clicks), saved_session),
    "save session as": Row("data", first(answers("mine"), clicks), saved_session),
    "save as configuration file": Row(
        "data", first(answers("a.yaml"), clicks),
        lambda h: "name: gaussian" in (h.folder / "a.yaml").read_text()),
    "quit": Row("data", clicks, lambda h: not h.window.isVisible()),
    "undo": Row("data", first(edited, clicks), entry("fitting.loss", None)),
    "redo": Row(
        "data", first(edited, lambda h: h.app.history.undo(), clicks),
        entry("fitting.loss", "cauchy")),
    "show all": Row(
        "data", first(lambda h: h.window.plot.setXRange(100, 200), clicks),
        lambda h: h.window.plot.viewRange()[0][0] < 0 < 10 < h.window.plot.viewRange()[0][1] < 12),
    "colours system": Row("data", clicks, lambda h: h.app.state.theme == "system"),
    "colours light": Row("data", clicks, lambda h: h.window.plot.theme.name == "light"),
    "colours dark": Row("data", clicks, lambda h: h.window.plot.theme.name == "dark"),
    # what is said above the pages
    "notice restore it": Row("crashed", clicks, entry("model", {"name": "linear"})),
    "notice forget it": Row(
        "crashed", clicks, lambda h: not list((h.folder / "kept").glob("1-*"))),
    "notice save elsewhere…": Row("failed", first(answers("mine"), clicks), saved_session),
    "notice close": Row(
        "data", first(lambda h: h.window.session.open(h.folder / "none.nlsq"), clicks),
        lambda h: h.window.notice.text == ""),
}  # fmt: skip
