"""Every command line in the README, the manual page and the help runs and ends well."""

import re
import stat
import subprocess
import sys

import numpy as np
import pytest

from nlsq.cli.main import COMMANDS, main
from nlsq.cli.manual import manual
from tests import forked
from tests.program import ROOT, environment, place


def documented():
    readme = (ROOT / "README.md").read_text("utf-8")
    lines = [
        line.removeprefix("$ ")
        for block in re.findall(r"```console\n(.*?)```", readme, re.S)
        for line in block.splitlines()
        if line.startswith("$ ")
    ]
    page = (ROOT / "docs" / "commands.md").read_text("utf-8")
    lines += [
        line.strip().split("   #")[0]
        for line in page.splitlines()
        if re.match(r"    (nlsq|cat) ", line) and not re.match(r"    nlsq \w+ \[OPTIONS\]", line)
    ]
    return list(dict.fromkeys(line.strip() for line in lines))


def test_the_manual_page_is_made_from_the_commands():
    assert (ROOT / "docs" / "commands.md").read_text("utf-8") == manual()
    for name in COMMANDS:
        assert f"## nlsq {name}" in manual()


@pytest.fixture
def folder(tmp_path):
    """The files that the lines name, and `nlsq` on the path."""
    import h5py

    t = np.linspace(0.05, 10, 80)
    noise = np.random.default_rng(0).normal(size=t.size)
    v = 3 * np.exp(-t / 2) + 0.3 + 0.02 * noise
    peak = 5 * np.exp(-((t - 4) ** 2) / 0.8) + 0.1 * t + 0.5 + 0.05 * noise
    rate = 2 * t / (1.5 + t) + 0.01 * noise
    columns = np.stack([t, v, np.full(t.size, 0.02)], axis=1)

    def save(name, table, header):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        np.savetxt(tmp_path / name, table, delimiter=",", header=header, comments="")

    save("data.csv", columns, "t,V,dV")
    for k in range(3):
        save(f"data/{k}.csv", columns * [1, 1 + k, 1], "t,V,dV")
        save(f"scans/day{k}/a.csv", columns, "t,V,dV")
    save("peak.csv", np.stack([t, peak], axis=1), "x,y")
    sample = np.repeat([1, 2], 40)
    save(
        "run.csv",
        np.stack([np.tile(t[::2], 2), np.tile(rate[::2], 2), sample], axis=1),
        "s,v,sample",
    )
    with h5py.File(tmp_path / "scan.h5", "w") as file:
        file["t"], file["v"], file["counts"] = t, v, v
    (tmp_path / "model.py").write_text(
        "import numpy as np\n\n\ndef decay(t, a, tau, c):\n    return a * np.exp(-t / tau) + c\n"
    )
    for name in ("run.yaml", "batch.yaml"):
        (tmp_path / name).write_text(
            "data: {input_file: data.csv, columns: {x: t, y: V}}\n"
            "model: {formula: a*exp(-t/tau)+c}\nfitting: {p0: {tau: 2}}\n"
        )
    program = tmp_path / "bin" / "nlsq"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -IS {forked.__file__} {place()} "$@"\n')
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    return tmp_path


BEFORE = {
    "nlsq report fit.json": 'nlsq fit data.csv -x t -y V -m linear -q -o fit.json && ',
    "nlsq resume run": 'nlsq fit scan.h5 -x t -y v -m "a*exp(-t/tau)+c" --checkpoint run -q && ',
}  # fmt: skip


WINDOWS = [line for line in documented() if line.startswith("nlsq gui")]


@pytest.mark.parametrize("line", WINDOWS)
def test_a_line_that_opens_a_window(line, monkeypatch):
    """What it is opened with; `test_gui_state` opens it."""
    opened = []
    monkeypatch.setattr("nlsq.gui_qt.run_desktop", lambda given: opened.append(given) or 0)
    with pytest.raises(SystemExit, match="0"):
        main(line.split()[1:])
    assert opened == [line.split()[2:]]


@pytest.mark.parametrize("line", [line for line in documented() if line not in WINDOWS])
def test_line(line, folder, tmp_path_factory):
    cache = tmp_path_factory.getbasetemp().parent / "compiled"
    env = environment(cache, HOME=str(folder))
    env["PATH"] = f"{folder / 'bin'}:{env['PATH']}"
    (folder / ".config" / "fish" / "completions").mkdir(parents=True)
    first = next((text for start, text in BEFORE.items() if line.startswith(start)), "")
    if line == "nlsq config && nlsq fit fit.yaml":
        (folder / "fit.yaml").unlink(missing_ok=True)
    done = subprocess.run(
        ["sh", "-c", first + line], cwd=folder, env=env, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr + done.stdout
    assert done.stderr == ""
