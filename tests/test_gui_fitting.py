"""The fitting page: fits in a process apart, many curves, options, and what goes wrong."""

import errno
import json
import os
import re
import shlex
import subprocess
import sys

import numpy as np
import pytest

pytest.importorskip("pyqtgraph", exc_type=ImportError)
pytest.importorskip("pytestqt")

from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QFileDialog
from scipy.optimize import curve_fit

from nlsq.cli.main import cli
from nlsq.gui_qt import app_state
from nlsq.gui_qt.adapters.export_adapter import as_command
from nlsq.session import apart
from nlsq.session.configuration import Configuration
from nlsq.session.plan import read
from nlsq.session.running import execute
from tests.gui_watchdog import Watchdog
from tests.gui_window import child, choose, press

LEFT = Qt.MouseButton.LeftButton
MODEL = "import numpy as np\n\ndef f(t, a, tau):\n    return a * np.exp(-t / tau)\n"


@pytest.fixture
def decay(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))  # who runs what is written down there
    t = np.linspace(0, 8, 60)
    v = 3 * np.exp(-t / 2) + 0.05 * np.random.default_rng(0).normal(size=t.size)
    path = tmp_path / "decay.csv"
    np.savetxt(path, np.column_stack([t, v]), delimiter=",", header="t,V", comments="")
    (tmp_path / "model.py").write_text(MODEL)
    return path


@pytest.fixture
def window(window, decay):
    window.app.open(decay)
    return window


def done(window, qtbot):
    qtbot.waitUntil(lambda: not window.app.running, timeout=20_000)


def configured(decay, model=None, fitting=None):
    content: dict = {
        "data": {"input_file": str(decay)},
        "model": model or {"formula": "a*exp(-t/tau)"},
    }
    content["data"]["columns"] = {"x": "t", "y": "V"}
    content["fitting"] = {"p0": {"a": 2.0, "tau": 1.0}} | (fitting or {})
    return Configuration(content, origin="a test").settings()


FILE = {"path": "model.py", "function": "f", "trusted": True}
ROADS = [
    ({}, {}),
    ({"name": "exponential_decay"}, {"p0": None}),
    (FILE, {"loss": "huber"}),
    ({}, {"n_starts": 4, "seed": 1, "bounds": {"a": [0, 9], "tau": [0.1, 9]}}),
]


@pytest.mark.parametrize("model, fitting", ROADS)
def test_a_process_apart_finds_what_this_one_finds(decay, model, fitting):
    """In every field, with the model where it is no code."""
    if "path" in model:
        model = model | {"path": str(decay.parent / "model.py")}
    settings = configured(decay, model, fitting)
    points = read(settings)
    rows = []
    document, found = apart.fit(settings, points, rows.extend).run()
    own, expected = execute(settings, points, watch=lambda *_: None)
    assert (found.model is None) == ("path" in model)
    assert type(found) is type(expected) and rows[-1][1] == expected.cost
    skip = {"model", "wall_time", "model_info"}
    assert found.keys() - skip == expected.keys() - skip
    for key in expected.keys() - skip:
        ours, theirs = found.get(key), expected.get(key)
        if isinstance(theirs, np.ndarray):
            np.testing.assert_array_equal(ours, theirs)
        else:
            assert repr(ours) == repr(theirs), key
    np.testing.assert_array_equal(found.residuals, expected.residuals)
    for told in (document, own):
        told["provenance"].pop("seconds"), told["provenance"].pop("created", None)
    assert document.keys() == own.keys() and document["statistics"] == own["statistics"]


STOPPED = """
import os, pickle, threading, time
from nlsq.session import apart
from nlsq.utils import interruption

def look(tell):
    for _ in range(500):
        interruption.check()
        time.sleep(0.01)

def report():
    print(pickle.load(os.fdopen(answers, "rb"))[1], flush=True)
    os._exit(0)

(source, asked), (answers, answer) = os.pipe(), os.pipe()
for message in (os.getcwd(), dict(os.environ), look, ()), None:
    os.write(asked, pickle.dumps(message))
server = apart._Server(source, answer)
for work in server.listen, report:
    threading.Thread(target=work, daemon=True).start()
time.sleep(0.1)  # in which it loads its libraries
server.serve()
"""


def test_a_process_that_is_stopped_before_it_is_ready_says_so():
    done = subprocess.run([sys.executable, "-c", STOPPED], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("The fit was stopped before it had a result.\n", "")


SLOW = """
import time
import numpy as np

def f(t, a, tau):
    time.sleep(0.01)
    return a * np.exp(-t / tau)
"""


def code(window, decay, text, trusted=True, **fitting):
    """Fit by a function of a file."""
    (decay.parent / "model.py").write_text(text)
    path = str(decay.parent / "model.py")
    model = {"path": path, "function": "f"} | ({"trusted": True} if trusted else {})
    window.app.edit("fitting.p0", {"a": 9.0, "tau": 0.3})
    window.app.edit("fitting", window.app.state.get("fitting") | fitting)
    window.app.edit("model", model)
    window.navigate_to("fitting")


def test_a_fit_that_is_stopped_keeps_its_best(window, decay, qtbot):
    code(window, decay, SLOW, ftol=None, xtol=None, gtol=3e-16)
    press(window, qtbot, "fit")
    qtbot.waitUntil(lambda: len(window.pages["fitting"].cost._costs) > 3)
    press(window, qtbot, "stop")
    assert child(window, "stop").text() == "End n&ow"
    done(window, qtbot)
    assert "interrupted" in window.app.document["convergence"]["message"]
    assert window.app.result.popt == pytest.approx([3, 2], abs=0.3)


ENDLESS = SLOW.replace("    time.sleep(0.01)", "    while True:\n        pass")


@pytest.mark.parametrize("trusted", [True, False])
def test_a_model_that_loops_for_ever_is_ended(window, decay, qtbot, trusted):
    code(window, decay, ENDLESS.replace("import time", ""), trusted)
    press(window, qtbot, "fit")
    qtbot.wait(100)
    press(window, qtbot, "stop")
    press(window, qtbot, "stop")
    done(window, qtbot)
    assert "ended before it gave a result" in child(window, "fitting problem").text()
    window.app.edit("model", {"formula": "a*exp(-t/tau)"})
    press(window, qtbot, "fit")
    done(window, qtbot)
    assert window.app.result.success and not child(window, "fitting problem").isVisible()


def test_a_fit_of_what_was_before_is_not_shown_with_what_is_here(window, decay, qtbot):
    """Other data or another model come while it runs, perhaps by undo."""
    code(window, decay, SLOW)
    for key, value in (("data.exclude", "3-5"), ("model", {"name": "linear"})):
        press(window, qtbot, "fit")
        window.app.edit(key, value)
        done(window, qtbot)
        assert window.app.result is None and len(window.app.state.fits) == 1
        assert "from before" in child(window, "fitting problem").text()
        window.app.history.undo()
        assert not child(window, "fitting problem").isVisible()  # with other settings it goes


def test_a_fit_whose_folder_is_gone(window, qtbot, tmp_path, monkeypatch):
    """A stick that was pulled out, a folder that was removed."""
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    window.app.edit("model", {"formula": "a*exp(-t/tau)"})
    window.app.fit()
    done(window, qtbot)
    assert window.app.result.success


BUSY = SLOW.replace("time.sleep(0.01)", "sum(k * k for k in range(20_000))")


@pytest.mark.parametrize("text", [MODEL, BUSY, BUSY.replace("sum(k * k for k", "sorted(-k for k")])
def test_the_window_is_not_frozen_while_a_fit_runs(window, decay, qtbot, capsys, text):
    """Also where the model keeps Python to itself, or its lock."""
    code(window, decay, text)
    qtbot.wait(50)  # the page is painted
    with Watchdog() as dog:
        press(window, qtbot, "fit")
        done(window, qtbot)
        qtbot.wait(20)
    with capsys.disabled():
        print(f" [frozen for {1e3 * dog.longest:.0f} ms at most]", end="")
    assert window.app.result.success and dog.longest < 1.0


@pytest.fixture
def samples(window, tmp_path):
    """A line for each temperature; the third has too few points."""
    rows, lines = [], {"300": (2.0, 1.0), "310.5": (3.0, 0.5), "295": (1.0, 0.0), "305": (4.0, 2.0)}
    rng = np.random.default_rng(5)
    for name, (a, b) in lines.items():
        for t in np.linspace(0, 1, 2 if name == "295" else 9).tolist():
            rows.append(f"{t!r},{a * t + b + 0.1 * rng.normal()!r},{name}")
    path = tmp_path / "samples.csv"
    path.write_text("\n".join(["t,the V,temp K", *rows, ""]))
    window.app.open(path)
    window.app.edit("model", {"name": "linear"})
    window.navigate_to("fitting")
    return path


def cells(window):
    model = child(window, "group fits").model()
    return [
        [model.index(i, k).data() for k in range(model.columnCount())]
        for i in range(model.rowCount())
    ]


def batch(command, folder, monkeypatch):
    """The table that a command writes."""
    monkeypatch.chdir(folder)
    words = shlex.split(command)
    assert words[0] == "nlsq"
    cli.main([*words[1:], "-q"], standalone_mode=False)
    return (folder / words[words.index("--table") + 1]).read_text()


def test_all_groups_are_fitted_by_one_click(window, samples, qtbot, tmp_path, monkeypatch):
    choose(window, "column group", "temp K")
    assert child(window, "fit").text() == "F&it all groups"
    assert "each of the 4 groups by itself" in child(window, "fit state").text()
    press(window, qtbot, "advanced options")  # which take the place of the table
    press(window, qtbot, "fit")
    done(window, qtbot)
    table = child(window, "group fits")
    assert table.isVisible()
    for k in range(table.model().columnCount()):
        assert table.columnWidth(k) >= min(table.sizeHintForColumn(k), 200)
    why = table.model().index(0, 1).data(Qt.ItemDataRole.ToolTipRole)
    assert why.endswith("tol).") and "`" not in why  # plain words, not SciPy's
    shown = cells(window)
    assert [row[0] for row in shown] == ["300", "310.5", "295", "305"]
    assert [row[1] for row in shown] == ["converged"] * 4
    t, v, name = np.loadtxt(samples, delimiter=",", skiprows=1).T
    trend = window.pages["fitting"].many.trend
    for k, group in enumerate((300, 310.5, 295, 305)):
        a, cov = np.polyfit(t[name == group], v[name == group], 1, cov="unscaled")
        assert trend.points.points()[k].pos().x() == group
        assert trend.points.points()[k].pos().y() == pytest.approx(a[0])
        if group != 295:  # whose two points say nothing of errors
            rest = v[name == group] - np.polyval(a, t[name == group])
            error = np.sqrt(cov[0, 0] * (rest @ rest) / 7)
            assert trend.bars.opts["top"][k] == pytest.approx(error)

    press(window, qtbot, "copy groups command")
    command = QGuiApplication.clipboard().text()
    press(window, qtbot, "copy groups")
    copied = QGuiApplication.clipboard().text()
    target = tmp_path / "window.csv"
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(target), ""))
    press(window, qtbot, "write groups")
    written = batch(command, tmp_path, monkeypatch)
    assert target.read_text() == written
    assert copied.split("\n")[0].split("\t") == written.split("\n")[0].split(",")
    assert {"a", "a_err", "b", "b_err", "message"} <= set(copied.split("\n")[0].split("\t"))


def test_a_click_on_a_point_shows_its_fit(window, samples, qtbot, tmp_path):
    choose(window, "column group", "temp K")
    press(window, qtbot, "fit")
    done(window, qtbot)
    table = [row[2] for row in cells(window)]
    trend = window.pages["fitting"].many.trend
    trend.plotItem.vb.autoRange()
    qtbot.wait(20)
    spot = trend.points.points()[1]
    at = trend.mapFromScene(trend.points.mapToScene(spot.pos()))
    qtbot.mouseMove(trend.viewport(), at)
    qtbot.mouseClick(trend.viewport(), LEFT, pos=at)
    assert window.app.state.get("data.only") == "310.5"
    done(window, qtbot)
    app = window.app
    assert app.points.y.size == 9 and app.result.success
    x, y = window.plot.curve.getOriginalDataset()
    assert y == pytest.approx(np.polyval(np.polyfit(app.points.x, app.points.y, 1), x))
    assert window.residuals.points.getOriginalDataset()[1].size == 9
    assert app.state.page == "fitting" and [row[2] for row in cells(window)] == table
    words = shlex.split(as_command(app.fitted))
    cli.main([*words[1:], "-o", str(tmp_path / "o.json"), "--no-plot", "-q"], standalone_mode=False)
    assert json.loads((tmp_path / "o.json").read_text())["popt"] == app.result.popt.tolist()
    child(window, "group fits").selectRow(1)
    qtbot.keyClick(child(window, "group fits"), Qt.Key.Key_Down)
    qtbot.keyClick(child(window, "group fits"), Qt.Key.Key_Return)
    done(window, qtbot)
    assert app.points.y.size == 2
    choose(window, "fitting only", "(all groups)")
    assert app.points.y.size == 29 and len(app.groups.rows) == 4
    app.edit("data.only", "295")
    choose(window, "column group", "t")  # which has no such group
    assert app.points is not None and app.state.get("data.only") is None
    app.history.undo()
    assert app.points.y.size == 2


CHANGES = [("fitting.loss", "huber"), ("data.where", "t > 0"), ("model", {"name": "sine"})]


def test_tables_of_groups_are_never_stale(window, samples, qtbot):
    app = window.app
    choose(window, "column group", "temp K")
    press(window, qtbot, "fit")
    done(window, qtbot)
    for key, value in CHANGES:
        app.edit(key, value)
        assert app.groups is None and not child(window, "copy groups").isEnabled()
        assert cells(window)[0][1] == ""
        app.history.undo()
        assert len(app.groups.rows) == 4 and child(window, "copy groups").isEnabled()
    choose(window, "column group", "(none)")
    assert not child(window, "group fits").isVisible() and child(window, "iterations").isVisible()


def test_groups_of_a_file_that_changed_have_their_own_names(window, samples, qtbot):
    """Their process reads the file anew."""
    choose(window, "column group", "temp K")
    head, *rows = samples.read_text().splitlines()
    rows = [f"{t},{2 * t + 5},280" for t in range(4)] + [r for r in rows if not r.endswith(",300")]
    samples.write_text("\n".join([head, *rows, ""]))
    os.utime(samples, (1, 1))
    press(window, qtbot, "fit")
    done(window, qtbot)
    assert [row[0] for row in cells(window)] == ["280", "310.5", "295", "305"]
    found = [row["fit"] for row in window.app.groups.table]
    assert found == [f"{samples}[{name}]" for name in ("280", "310.5", "295", "305")]
    samples.unlink()
    press(window, qtbot, "fit")
    assert not window.app.running and "no such file" in child(window, "data problem").text()


def test_groups_that_are_fitted_when_it_is_stopped_stay(window, samples, qtbot):
    path = samples.with_name("many.csv")
    rows = [f"{t},{g % 7 * t + g},{g}" for g in range(1500) for t in (0.0, 1.0, 2.0)]
    path.write_text("\n".join(["t,V,g", *rows, ""]))
    window.app.open(path)
    choose(window, "column group", "g")
    press(window, qtbot, "fit")
    said = child(window, "fit state")
    words = r"Fitting … groups: [1-9][\d,]+ of 1,500"
    qtbot.waitUntil(lambda: bool(re.fullmatch(words, said.text())), timeout=10_000)
    press(window, qtbot, "stop")
    done(window, qtbot)
    found = window.app.groups.rows
    assert 20 < len(found) < 1500
    assert sum(row[1] != "" for row in cells(window)) == len(found)
    assert all(found[g]["a"] == pytest.approx(g % 7, abs=1e-8) for g in found)


SUITS = [
    ("method", "lm", "fitting.loss", "huber", "lm is for the linear loss"),
    ("loss", "cauchy", "fitting.method", "lm", "lm is for the linear loss"),
    ("method", "lm", "fitting.bounds", {"tau": [0, None]}, "lm takes no bounds"),
    ("method", "dogbox", "data.columns.group", "t", "dogbox is for a single fit"),
    ("preset", "cmaes", "data.columns.group", "t", "cmaes is a search for single fits"),
]


@pytest.mark.parametrize("key, word, other, value, why", SUITS)
def test_what_does_not_suit_is_disabled_with_its_reason(window, key, word, other, value, why):
    window.app.edit("model", {"formula": "a*exp(-t/tau)"})
    box = child(window, f"fitting {key}")
    at = box.findText(word)
    assert box.model().item(at).isEnabled()
    window.app.edit(other, value)
    assert not box.model().item(at).isEnabled()
    assert why in box.itemData(at, Qt.ItemDataRole.ToolTipRole)
    window.app.history.undo()
    assert box.model().item(at).isEnabled()


def test_methods_losses_and_searches_find_the_same_minimum(window, decay, qtbot):
    app = window.app
    app.edit("model", {"formula": "a*exp(-t/tau)"})
    expected = curve_fit(lambda t, a, tau: a * np.exp(-t / tau), app.points.x, app.points.y, [2, 1])
    window.navigate_to("fitting")
    for key, word in (
        ("method", "dogbox"), ("method", "lm"), ("method", "multistart"), ("method", "cmaes-fast"),
        ("preset", "fast"), ("preset", "cmaes"), ("method", "default (trf)"), ("loss", "huber"),
    ):  # fmt: skip
        choose(window, f"fitting {key}", word)
        press(window, qtbot, "fit")
        done(window, qtbot)
        close = 1e-6 if key != "loss" else 0.01
        assert app.result.popt == pytest.approx(expected[0], rel=close), (word, app.problems)
        assert not child(window, "fitting problem").isVisible()
        window.navigate_to("fitting")


def test_the_cost_of_a_fit_that_is_tried_anew_goes_on_to_the_right(window):
    plot = window.pages["fitting"].cost
    plot.add([(0, 5.0), (1, 4.0), (0, 5.0), (1, np.nan), (2, 1.0)])
    assert plot.line.getOriginalDataset()[0].tolist() == [0, 1, 2, 4]


HEAD = (
    "import os\nimport numpy as np\n\nclass Cold(Exception):\n    pass\n\ndef f(t, a, tau):\n    "
)
BAD = {
    "raise ValueError('no such phase')": "model.py:8: the model failed: ValueError: no such phase",
    "raise Cold('below zero')": "The fit failed: Cold: below zero",
    "return a * np.exp(-t[1:] / tau)": "returned 59 values for 60 data points",
    "return a * t * np.nan": "not finite in the initial point",
    "os._exit(7)": "The process beside the window ended with status 7, without a result",
    "return f(t, a, tau)": "RecursionError",
}


def test_what_a_model_does_is_said_and_costs_nothing(window, decay, qtbot):
    app, said = window.app, child(window, "fitting problem")
    for line, words in BAD.items():
        code(window, decay, f"{HEAD}{line}\n")
        app.edit("model", None)  # the file is another now
        code(window, decay, f"{HEAD}{line}\n")
        before = app.state.to_json()
        press(window, qtbot, "fit")
        done(window, qtbot)
        assert said.isVisible() and words in said.text(), said.text()
        assert app.result is None and app.state.to_json() == before
    app.edit("model", {"formula": "a*exp(-t/tau)"})
    app.edit("fitting.max_nfev", 1)
    press(window, qtbot, "fit")
    done(window, qtbot)
    assert not said.isVisible() and child(window, "fit state").text().startswith("⚠ ")
    app.edit("fitting.max_nfev", None)
    press(window, qtbot, "fit")
    done(window, qtbot)
    assert app.result.success and app.result.popt == pytest.approx([3, 2], rel=0.05)


def test_a_full_disk_is_said_and_the_table_stays(window, samples, qtbot, tmp_path, monkeypatch):
    choose(window, "column group", "temp K")
    press(window, qtbot, "fit")
    done(window, qtbot)

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    target = tmp_path / "window.csv"
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(target), ""))
    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", full)
        press(window, qtbot, "write groups")
    said = child(window, "groups state")
    assert "No space left on device" in said.text() and str(target) in said.text()
    assert not target.exists() and len(window.app.groups.rows) == 4
    press(window, qtbot, "write groups")
    assert said.text() == f"Written: {target}" and target.read_text().count("\n") == 5


def test_a_start_that_is_never_found_is_given_up(window, decay, qtbot, monkeypatch):
    monkeypatch.setattr(app_state, "_PATIENCE", 300)
    code(window, decay, ENDLESS.replace("import time", ""))
    qtbot.waitUntil(lambda: "start" in window.app.problems, timeout=10_000)
    assert "ended before it gave a result" in window.app.problems["start"].message
    window.app.edit("model", {"formula": "a*exp(-t/tau)"})
    assert window.app.start is not None and "start" not in window.app.problems
