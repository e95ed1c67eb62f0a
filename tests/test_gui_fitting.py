"""The fitting page: fits in a process apart, many curves, options, and what goes wrong."""

import numpy as np
import pytest

pytest.importorskip("pyqtgraph", exc_type=ImportError)
pytest.importorskip("pytestqt")

from PySide6.QtCore import Qt

from nlsq.gui_qt.app_state import AppState
from nlsq.gui_qt.main_window import MainWindow
from nlsq.session import apart
from nlsq.session.configuration import Configuration
from nlsq.session.plan import read
from nlsq.session.running import execute
from tests.gui_watchdog import Watchdog

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
def window(qtbot, decay):
    opened = MainWindow(AppState())
    qtbot.addWidget(opened)
    opened.show()
    opened.app.open(decay)
    yield opened
    opened.app.wait()


def child(window, name):
    from PySide6.QtWidgets import QWidget

    found = window.findChild(QWidget, name)
    assert found is not None, name
    return found


def press(window, qtbot, name):
    qtbot.mouseClick(child(window, name), LEFT)


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
    assert child(window, "stop").text() == "&End now"
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
    assert "ended before it had a result" in child(window, "fitting problem").text()
    window.app.edit("model", {"formula": "a*exp(-t/tau)"})
    press(window, qtbot, "fit")
    done(window, qtbot)
    assert window.app.result.success and not child(window, "fitting problem").isVisible()


BUSY = SLOW.replace("time.sleep(0.01)", "sum(k * k for k in range(20_000))")


@pytest.mark.parametrize("text", [MODEL, BUSY, BUSY.replace("sum(k * k for k", "sorted(-k for k")])
def test_the_window_is_not_frozen_while_a_fit_runs(window, decay, qtbot, capsys, text):
    """Also where the model keeps Python to itself, or its lock."""
    code(window, decay, text)
    with Watchdog() as dog:
        press(window, qtbot, "fit")
        done(window, qtbot)
        qtbot.wait(20)
    with capsys.disabled():
        print(f" [frozen for {1e3 * dog.longest:.0f} ms at most]", end="")
    assert window.app.result.success and dog.longest < 1.0
