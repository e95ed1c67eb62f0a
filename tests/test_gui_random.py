"""Random actions on the window leave no exception and no complaint of Qt's.

Here few of them; `benchmarks/window.py` makes 2 000 with each of three seeds, and looks at memory
and frozen moments too.
"""

import pytest

pytest.importorskip("pyqtgraph", exc_type=ImportError)
pytest.importorskip("pytestqt")

from tests.gui_random import Storm, told


@pytest.mark.parametrize("seed", [4])
def test_random_actions_leave_no_fault(qtbot, tmp_path, seed, monkeypatch, capsys):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    storm = Storm(seed, tmp_path)
    qtbot.addWidget(storm.window)
    storm.run(60)
    storm.window.app.wait()
    with capsys.disabled():
        print(f" [longest moment {1e3 * storm.longest:.0f} ms]", end="")
    assert not storm.faults, told(storm)
