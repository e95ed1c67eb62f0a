"""What the window promises of itself: ``python -m benchmarks.window 50 200 2000``.

So many windows are killed as they are edited, and the session of each is found again; so many
random fits are copied as Python and as a command, which must find the same digits; and so many
random actions are made with each of three seeds, which must leave no fault and no memory behind.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path


def main(kills: int, states: int, actions: int = 0) -> None:
    """Print what was kept and repeated; an AssertionError says what was not."""
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    os.environ.setdefault("JAX_PLATFORMS", "cpu")
    from tests import gui_kill, test_gui_exports

    lost = gui_kill.kill_many(kills, seed=1)
    print(
        f"{len(lost)} kills, {len(lost)} sessions restored, at most {max(lost):.3f} s of work lost"
    )
    with tempfile.TemporaryDirectory() as folder:
        table = test_gui_exports.written(Path(folder))
        for seed in range(states):
            test_gui_exports.test_scripts_and_commands_repeat_a_fit(table, Path(folder), seed)
    print(f"{states} fits, {states} scripts and {states} commands with the same digits")
    for seed in (1, 2, 3) if actions else ():
        command = [sys.executable, "-m", "tests.gui_random", str(actions), str(seed)]
        assert subprocess.run(command, check=False).returncode == 0, seed


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
