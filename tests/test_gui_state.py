"""Sessions: kept through crashes, on disk, from another machine; damaged files and full disks."""

import errno
import json
import os
import shutil
import subprocess
import sys
import time

import numpy as np
import pytest

pytest.importorskip("pyqtgraph", exc_type=ImportError)
pytest.importorskip("pytestqt")

from PySide6.QtCore import Qt
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QFileDialog, QPushButton

from nlsq.gui_qt import application
from nlsq.gui_qt import autosave as autosaves
from nlsq.gui_qt.adapters import config_adapter
from nlsq.gui_qt.app_state import AppState
from nlsq.gui_qt.autosave import AutosaveManager
from nlsq.gui_qt.main_window import MainWindow
from nlsq.gui_qt.preferences import Preferences
from nlsq.gui_qt.session_state import SessionState
from tests import gui_kill


@pytest.fixture
def data(tmp_path):
    x = np.linspace(0, 10, 60)
    path = tmp_path / "decay.csv"
    np.savetxt(path, np.column_stack([x, 3 * np.exp(-x / 2)]), delimiter=",", header="t,V",
               comments="")  # fmt: skip
    return path


@pytest.fixture
def opened(qtbot, tmp_path):
    """Opens windows that keep their sessions in a folder of the test."""
    managers = []

    def window(interval=0.02):
        window = MainWindow(AppState(), Preferences(tmp_path / "window.json"))
        qtbot.addWidget(window)
        manager = AutosaveManager(window.app, window, tmp_path / "kept", interval)
        managers.append(manager)
        window.session.keep(manager)
        manager.start()
        window.show()
        return window, manager

    yield window
    for manager in managers:
        manager.stop()


def crash(manager):
    """End a window's saving as SIGKILL does: the file stays, the lock has no owner."""
    manager.save_now()
    manager._running = False
    lock = manager._path.with_name(manager._path.name + ".lock")
    content = lock.read_bytes().split(b"\n")
    manager._lock.unlock()
    manager._lock = None
    lock.write_bytes(b"\n".join([b"999999999", *content[1:]]))


def press(window, qtbot, name):
    button = window.notice.findChild(QPushButton, f"notice {name}")
    assert button is not None and button.isVisible()
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)


def choose(window, name):
    window.session.findChild(QAction, name).trigger()


def answering(monkeypatch, path):
    for which in ("getOpenFileName", "getSaveFileName"):
        monkeypatch.setattr(QFileDialog, which, lambda *_: (str(path), ""))


def test_what_a_crash_left_is_offered_and_restored(opened, data, qtbot, tmp_path):
    window, manager = opened()
    window.app.open(data)
    window.app.edit("model", {"formula": "a*exp(-t/tau)"})
    window.app.edit("fitting.p0", {"tau": 1e-300})
    window.navigate_to("model")
    kept = tmp_path / "kept"
    qtbot.waitUntil(lambda: any("1e-300" in p.read_text() for p in kept.glob("*.json")))
    crash(manager)

    later, _ = opened()
    assert "a*exp(-t/tau), decay.csv" in later.notice.text
    press(later, qtbot, "restore it")
    assert later.app.state.content == window.app.state.content
    assert later.app.state.page == "model" and later.app.model.names == ("a", "tau")
    assert later.notice.text == ""
    later.app.history.undo()
    assert later.app.state.content == {} and not later.app.problems
    third, _ = opened()
    assert third.notice.text == ""  # what was restored is offered once


def test_what_was_typed_is_kept_though_it_is_wrong():
    content = {
        "data": {"input_file": "a.csv", "rows": "often", "where": "t >"},
        "model": {"formula": "a*exp("}, "fitting": {"ftol": -1.0, "loss": "hubris"},
    }  # fmt: skip
    assert SessionState.from_json(SessionState(content).to_json()).content == content


def test_an_edit_that_fails_leaves_no_command_behind(qapp, monkeypatch):
    app = AppState()

    def broken():
        raise TypeError("a defect of ours")

    with monkeypatch.context() as patch:
        patch.setattr(app, "_read_model", broken)
        with pytest.raises(TypeError):
            app.edit("model", {"name": "linear"})
    assert app.history.count() == 0
    app.edit("model", {"name": "gaussian"})  # Qt would ask the lost command here
    app.history.undo()


def test_two_windows_keep_two_sessions(opened, data, qtbot):
    (one, first), (two, second) = opened(), opened()
    for window, tau in ((one, 1.0), (two, 2.0)):
        window.app.open(data)
        window.app.edit("fitting.p0", {"tau": tau})
    for manager in (first, second):
        assert manager.save_now() and manager.check_recovery() is None  # each other's are alive
    for manager in (first, second):
        crash(manager)
    later, manager = opened()
    press(later, qtbot, "forget it")
    press(later, qtbot, "restore it")
    assert later.app.state.get("fitting.p0.tau") == 1.0
    assert manager.check_recovery() is None


def test_a_window_that_was_closed_leaves_its_session_to_be_reopened(opened, data, tmp_path):
    window, manager = opened()
    window.app.open(data)
    content = window.app.state.content
    window.close()
    manager.stop()
    assert [p.name for p in (tmp_path / "kept").iterdir()] == ["last.json"]
    later, _ = opened()
    assert later.notice.text == ""
    choose(later, "reopen the last session")
    assert later.app.state.content == content


BROKEN = [
    b"", b"\0" * 300, b'{"nlsq session": 1, "content": {"da', b"\xff\xfe{}", b"[" * 100_000,
    b'{"nlsq session": 1, "content": {"data": 3}}',
    b'{"nlsq session": 1, "content": {"fitting": {"bounds": 4}}}',
    b'{"nlsq session": 1, "content": {"fitting": {"loss": {"a": 1}}}}',
    b'{"nlsq session": 1, "content": {"fitting": {"bounds": {"a": ["x", null]}}}}',
    b'{"nlsq session": 1, "content": {"fitting": {"bounds": {"a": [1.0]}}}}',
    b'{"nlsq session": 1, "content": {"fitting": {"bounds": {"a": "xy"}}}}',
    b'{"nlsq session": 1, "content": {"fitting": {"fixed": {"a": "x"}}}}',
    b'{"nlsq session": 1, "content": {"model": {"name": ["x"]}}}',
    b'{"nlsq session": 1, "content": {}, "page": ["data"]}',
    b'{"nlsq session": 2, "content": {}, "fits": null}',
    b'{"nlsq session": 3, "content": {}}',
]  # fmt: skip


@pytest.mark.parametrize("text", BROKEN, ids=range(len(BROKEN)))
def test_no_file_prevents_the_start(opened, tmp_path, text, qtbot):
    kept = tmp_path / "kept"
    kept.mkdir()
    (kept / "1-ab.json").write_bytes(text)
    (kept / "last.json").write_bytes(text)
    (tmp_path / "window.json").write_bytes(text)
    window, manager = opened()
    assert window.notice.text == "" and manager.last() is None
    assert window.preferences.recent("sessions") == []
    assert sorted(p.name for p in kept.iterdir()) == ["1-ab.broken", "last.json"]
    bad = tmp_path / "bad.nlsq"
    bad.write_bytes(text)
    assert not window.session.open(bad)
    assert "bad.nlsq" in window.notice.text and window.app.state.content == {}


def test_a_full_disk_is_said_and_costs_nothing(opened, data, qtbot, monkeypatch, tmp_path):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    window, manager = opened()
    window.app.open(data)
    content = dict(window.app.state.content)
    with monkeypatch.context() as patch:
        patch.setattr(autosaves, "write_atomically", full)
        patch.setattr(config_adapter, "write_atomically", full)
        window.app.edit("model", {"name": "linear"})
        qtbot.waitUntil(lambda: "No space left" in window.notice.text)
        patch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(tmp_path / "s"), ""))
        press(window, qtbot, "save elsewhere…")
        assert "s.nlsq: cannot be written: No space left" in window.notice.text
        assert not (tmp_path / "s.nlsq").exists()
        press(window, qtbot, "close")
        assert window.app.state.content == content | {"model": {"name": "linear"}}
    qtbot.waitUntil(lambda: any("linear" in p.read_text() for p in manager._folder.glob("*.json")))


def test_a_place_where_nothing_can_be_kept_is_said(opened, data, qtbot, tmp_path):
    (tmp_path / "kept").write_text("a file where a folder should be")
    window, manager = opened()
    window.app.open(data)
    qtbot.waitUntil(lambda: "cannot be kept" in window.notice.text)
    assert window.app.points.y.size == 60
    manager.stop()
    qtbot.wait(50)  # and not tried again, with the thread gone


def test_a_folder_that_is_removed_is_made_again(opened, data, qtbot, tmp_path):
    window, manager = opened()
    window.app.open(data)
    assert manager.save_now()
    shutil.rmtree(tmp_path / "kept")
    window.app.edit("model", {"name": "linear"})
    assert manager.save_now() and window.notice.text == ""
    assert "linear" in manager._path.read_text()
    later = AutosaveManager(AppState(), folder=tmp_path / "kept")
    assert later.check_recovery() is None  # the lock is there too


def test_as_many_parameters_as_points(opened, data, qtbot):
    window, _ = opened()
    data.write_text("t,V\n0,1\n1,2\n2,4\n")
    window.app.edit("", {"data": {"input_file": str(data)}, "model": {"name": "quadratic"}})
    with qtbot.waitSignal(window.app.result_changed, timeout=10_000):
        window.app.fit()
    assert window.pages["results"].statistics.values["dof"].text() == "0"


def test_a_session_moves_with_its_data(opened, data, tmp_path, monkeypatch):
    window, _ = opened()
    window.app.open(data)
    window.app.edit("model", {"path": str(tmp_path / "m.py"), "function": "f", "trusted": True})
    answering(monkeypatch, tmp_path / "mine")
    choose(window, "save session")
    assert window.windowTitle() == "mine.nlsq[*] – nlsq" and not window.isWindowModified()
    window.app.edit("fitting.loss", "huber")
    assert window.isWindowModified()
    choose(window, "save session")
    saved = json.loads((tmp_path / "mine.nlsq").read_text())["content"]
    assert saved["data"]["input_file"] == "decay.csv" and saved["model"]["path"] == "m.py"

    there = tmp_path / "there"
    there.mkdir()
    for name in ("mine.nlsq", "decay.csv"):
        os.rename(tmp_path / name, there / name)
    other, _ = opened()
    other.open(there / "mine.nlsq")
    assert other.app.points.y.size == 60 and other.app.state.get("fitting.loss") == "huber"
    assert other.app.state.get("model.trusted") is None  # which no file can say
    assert other.preferences.recent("sessions")[0] == str(there / "mine.nlsq")
    for elsewhere in (r"C:\data\decay.csv", "/home/somebody/decay.csv"):
        saved["data"]["input_file"] = elsewhere
        (there / "mine.nlsq").write_text(json.dumps({"nlsq session": 1, "content": saved}))
        other.session.open(there / "mine.nlsq")
        assert other.app.points.y.size == 60


CONFIGURATIONS = {
    "p0: [2, 1.5]\n  bounds: {lower: [0, null], upper: [null, 9]}": {
        "p0": {"a": 2.0, "tau": 1.5}, "bounds": {"a": [0.0, None], "tau": [None, 9.0]},
    },
    "p0: {tau: 2}\n  fixed: [a]": {"p0": {"tau": 2.0}, "fixed": {"a": None}},
    "bounds: [[0, 1], [5, 7]]\n  loss: huber": {
        "bounds": {"a": [0.0, 5.0], "tau": [1.0, 7.0]}, "loss": "huber",
    },
}  # fmt: skip


@pytest.mark.parametrize("fitting", CONFIGURATIONS, ids=range(len(CONFIGURATIONS)))
def test_a_configuration_file_opens_and_is_written(opened, data, tmp_path, fitting, monkeypatch):
    path = tmp_path / "fit.yaml"
    path.write_text(
        f"data:\n  input_file: decay.csv\nmodel:\n  formula: a*exp(-t/tau)\nfitting:\n  {fitting}\n"
    )
    window, _ = opened()
    window.open(path)
    assert window.app.state.get("fitting") == CONFIGURATIONS[fitting]
    assert window.app.points.y.size == 60 and window.app.model.names == ("a", "tau")
    answering(monkeypatch, tmp_path / "again.yaml")
    choose(window, "save as configuration file")
    again = SessionState(config_adapter.load_yaml_config(tmp_path / "again.yaml"))
    assert again.content == window.app.state.content


def test_the_template_of_nlsq_config_opens(opened, tmp_path):
    from importlib.resources import files

    text = files("nlsq.cli.templates").joinpath("fit.yaml").read_text("utf-8")
    (tmp_path / "fit.yaml").write_text(text)
    window, _ = opened()
    window.open(tmp_path / "fit.yaml")
    assert "no such file" in window.app.problems["data"].message
    assert window.app.model.names == ("a", "tau", "c")
    (tmp_path / "fit.yaml").write_text("data: {input_fil: a.csv}\nmodel: {name: linear}\n")
    assert not window.session.open(tmp_path / "fit.yaml")
    assert "fit.yaml:1: data.input_fil: unknown key" in window.notice.text


def test_sessions_survive_sigkill():
    assert max(gui_kill.kill_many(2)) < gui_kill.INTERVAL + gui_kill.LATE


ENDLESS = "import time\n\n\ndef f(x, a):\n    time.sleep(0.05)\n    return a * x\n"


def test_a_window_closes_while_it_fits(opened, data, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))  # who runs what is written down there
    (tmp_path / "slow.py").write_text(ENDLESS)
    window, _ = opened()
    window.app.open(data)
    window.app.edit("model", {"path": str(tmp_path / "slow.py"), "function": "f", "trusted": True})
    window.app.fit()
    assert window.app.running
    window.close()
    assert not window.isVisible() and window.app.wait(0)


UNCLOSED = """
import sys
from PySide6.QtWidgets import QApplication
from nlsq.gui_qt.app_state import AppState
from nlsq.gui_qt.main_window import MainWindow
from nlsq.gui_qt.preferences import Preferences
application = QApplication([])
window = MainWindow(AppState(), Preferences("window.json"))
window.show()
window.app.open("decay.csv")
window.app.edit("model", {"path": "slow.py", "function": "f", "trusted": True})
window.app.fit()
assert window.app.running
sys.exit(3)
"""


def test_an_interpreter_ends_with_an_open_window_and_a_fit_that_does_not(data, tmp_path):
    (tmp_path / "slow.py").write_text(ENDLESS.replace("0.05", "1000"))
    environment = {"PYTHONPATH": str(gui_kill.ROOT), "XDG_STATE_HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", UNCLOSED], cwd=tmp_path, env=os.environ | environment,
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (3, "")


@pytest.mark.skipif(shutil.which("Xvfb") is None, reason="needs a display to take away")
def test_a_display_that_disappears_costs_no_session(tmp_path, data, qapp):
    os.rename(data, tmp_path / "data.csv")
    reads, writes = os.pipe()
    display = subprocess.Popen(
        ["Xvfb", "-displayfd", str(writes), "-screen", "0", "1366x768x24"], pass_fds=[writes],
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    number = os.read(reads, 20).decode().strip()
    code = f"from tests.gui_kill import *; live(Path({str(tmp_path)!r}), 5)"
    environment = {"QT_QPA_PLATFORM": "xcb", "DISPLAY": f":{number}"}
    window = subprocess.Popen(
        [sys.executable, "-c", code], cwd=gui_kill.ROOT, env=os.environ | environment,
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    log = tmp_path / "5.log"
    while window.poll() is None and not (log.exists() and len(gui_kill.states(log)) > 9):
        time.sleep(0.02)
    display.kill()
    display.wait()
    os.close(reads), os.close(writes)
    window.wait(timeout=30)
    if not log.exists():
        pytest.skip("this Qt has no window on a display here")
    found = AutosaveManager(AppState(), folder=tmp_path / "kept").check_recovery()
    assert found.state.content in [content for _, content in gui_kill.states(log)]
    found.lock.unlock()


def test_a_safe_mode_keeps_nothing(qapp, tmp_path, monkeypatch):
    for name in ("XDG_DATA_HOME", "XDG_CONFIG_HOME"):
        monkeypatch.setenv(name, str(tmp_path / name))
    monkeypatch.setattr(application, "QApplication", lambda _: qapp)
    monkeypatch.setattr(qapp, "exec", lambda: 0, raising=False)
    kept = tmp_path / "XDG_DATA_HOME" / "nlsq" / "sessions"
    session = tmp_path / "a.nlsq"
    config_adapter.write_session(session, SessionState({"model": {"name": "linear"}}))
    monkeypatch.setattr(qapp, "arguments", lambda: ["nlsq", str(session)], raising=False)
    monkeypatch.setenv("NLSQ_SAFE_MODE", "1")
    assert application.run([]) == 0 and not kept.exists()
    monkeypatch.setenv("NLSQ_SAFE_MODE", "0")
    assert application.run([]) == 0
    assert "linear" in (kept / "last.json").read_text() and len(list(kept.iterdir())) == 1
