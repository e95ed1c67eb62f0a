"""`nlsq batch`: hundreds of files, some broken, killed and resumed; groups; failures."""

import csv
import json
import os
import signal
import subprocess
import time

import numpy as np
import pytest
from scipy.optimize import curve_fit

from nlsq.session import batching
from nlsq.session.journal import Journal
from nlsq.session.settings import Settings
from tests.program import command, environment, piped

MODEL = ("-x", "t", "-y", "V", "-m", "a*exp(-t/tau)+c", "--p0", "tau=2")


@pytest.fixture(scope="session")
def cache(tmp_path_factory):
    return tmp_path_factory.getbasetemp().parent / "compiled"


def decay(t, a, tau, c):
    return a * np.exp(-t / tau) + c


def write(folder, count, broken=()):
    """Files of 20 to 40 points; every broken one is broken in another way."""
    rng = np.random.default_rng(0)
    truth = {}
    for i in range(count):
        m = 20 + i % 21
        t = np.linspace(0, 6, m)
        p = rng.uniform([1, 1, -1], [4, 3, 1])
        v = decay(t, *p) + 0.02 * rng.normal(size=m)
        path = folder / f"{i:04}.csv"
        np.savetxt(path, np.stack([t, v], axis=1), delimiter=",", header="t,V", comments="")
        truth[path.name] = (t, v, p)
        if i in broken:
            text = path.read_bytes()
            ways = (
                b"", b"t,V\n", text.replace(b"V", b"W", 1), text[:60] + b"\x00\xff\xfe" * 200,
                text.replace(text.split(b"\n")[5], b"1.0,oops"),
            )  # fmt: skip
            path.write_bytes(ways[i % len(ways)])
    return truth


def rows_of(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_hundreds_of_files_killed_half_way_and_resumed(tmp_path, cache):
    broken = set(range(0, 400, 20))
    truth = write(tmp_path, 400, broken)
    arguments = ("batch", "*.csv", *MODEL, "--table", "out/fits.csv", "--resume", "-q")
    (tmp_path / "out").mkdir()
    journal = tmp_path / "out" / "fits.csv.journal"
    env = environment(cache)
    process = subprocess.Popen(command(*arguments), cwd=tmp_path, env=env)
    while not journal.exists() or journal.read_bytes().count(b"\n") < 120:
        assert process.poll() is None, "ended before it could be killed"
        time.sleep(0.005)
    os.kill(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    before = journal.read_bytes().count(b"\n")
    assert 120 <= before < 380
    assert not (tmp_path / "out" / "fits.csv").exists()
    done = piped(arguments, tmp_path, env)
    assert done.returncode == 2
    assert "20 of 400: bad data" in done.stderr
    keys = [json.loads(line)["key"] for line in journal.read_text().splitlines()]
    assert len(keys) == len(set(keys)) == 380  # none lost, none done twice
    rows = {row["fit"]: row for row in rows_of(tmp_path / "out" / "fits.csv")}
    assert len(rows) == 400
    assert {n for n, row in rows.items() if row["outcome"] == "bad data"} == {
        f"{i:04}.csv" for i in broken
    }
    assert all(rows[f"{i:04}.csv"]["message"] for i in broken)
    assert list(rows) == sorted(rows)  # the order of the files
    for name in [name for name in rows if rows[name]["outcome"] != "bad data"][:380:97]:
        t, v, _ = truth[name]
        popt, pcov = curve_fit(decay, t, v, p0=[1, 2, 1])
        found = [float(rows[name][k]) for k in ("a", "tau", "c", "a_err", "tau_err", "c_err")]
        np.testing.assert_allclose(found[:3], popt, rtol=1e-6)
        # SciPy's errors are those of finite differences
        np.testing.assert_allclose(found[3:], np.sqrt(np.diag(pcov)), rtol=5e-5)


def test_worst_first_and_a_changed_file_is_fitted_again(tmp_path, cache):
    write(tmp_path, 6)
    text = (tmp_path / "0003.csv").read_text().splitlines()
    text[8] = text[8].split(",")[0] + ",9"  # an outlier: the worst R²
    (tmp_path / "0003.csv").write_text("\n".join(text) + "\n")
    arguments = ("batch", "*.csv", *MODEL, "--table", "fits.json", "--worst", "1")
    done = piped(arguments, tmp_path, environment(cache))
    assert done.returncode == 0, done.stderr
    assert "6 fits: 6 converged" in done.stdout
    assert "0003.csv" in done.stdout
    assert "and 5 better ones" in done.stdout
    rows = json.loads((tmp_path / "fits.json").read_text())
    assert [r["fit"] for r in rows] == [f"000{i}.csv" for i in range(6)]
    journal = tmp_path / "fits.json.journal"
    assert len(journal.read_text().splitlines()) == 6
    (tmp_path / "0003.csv").write_text("\n".join(text[:8] + text[9:]) + "\n")
    assert piped((*arguments, "--resume"), tmp_path, environment(cache)).returncode == 0
    assert len(journal.read_text().splitlines()) == 7
    again = json.loads((tmp_path / "fits.json").read_text())
    assert len(again) == 6
    assert min(r["r_squared"] for r in again) > 0.99


def sine(t, a, w, phi):
    return a * np.sin(w * t + phi)


def test_a_search_is_told_resumed_and_of_its_settings(tmp_path):
    truth, rng = [(2, 18.7, 1.3), (4.5, 10.8, 5.0), (3.1, 3.5, 0.4)], np.random.default_rng(0)
    for i, p in enumerate(truth):
        t = np.linspace(0, 10, (80, 80, 95)[i])  # two share x, one has its own
        v = sine(t, *p) + 0.1 * rng.normal(size=t.size)
        np.savetxt(tmp_path / f"{i}.csv", np.stack([t, v], axis=1), delimiter=",")

    def fitted(names, **fitting):
        settings = Settings.model_validate(
            {"data": {"input_file": tmp_path / "0.csv"}, "model": {"formula": "a*sin(w*x+phi)"},
             "fitting": fitting}
        )  # fmt: skip
        items = batching.find_items([tmp_path / name for name in names], settings)
        journal, rows = Journal(tmp_path / "journal", True), []
        try:
            for _, row in batching.fit_all(items, settings, journal, False, lambda rows: None):
                rows.append(row)
        except KeyboardInterrupt:
            assert "time_limit" in fitting
        return rows, len(journal.done)

    names = [f"{i}.csv" for i in range(3)]
    assert fitted(names, method="global", time_limit=1e-6) == ([], 0)  # not from where it was cut
    first, kept = fitted(names[1:], method="global")
    rows, kept = fitted(names, method="global")
    assert kept == 3 and rows[:2] == first  # of the journal first
    rows = {row["fit"]: row for row in rows}
    for i, p in enumerate(truth):
        t, v = np.loadtxt(tmp_path / names[i], delimiter=",").T
        popt, _ = curve_fit(sine, t, v, p0=p)
        row = rows[str(tmp_path / names[i])]
        np.testing.assert_allclose([abs(row["a"]), row["w"]], popt[:2], rtol=1e-6)
        assert 3 <= row["found"] <= row["local_fits"] and row["next_minimum"] > 10
    (tmp_path / "journal").unlink()
    alone = [fitted([name], method="global")[0][0] for name in names]
    assert alone == [rows[row["fit"]] for row in alone]  # whoever else is in the batch
    for k, more in enumerate(({"seed": 1}, {"sampler": "sobol"}, {"n_starts": 60}), 1):
        assert fitted(names[:1], method="global", **more)[1] == 3 + k  # another problem
    assert fitted(names[:1], preset="global")[1] == 7
    assert fitted(names, method="global", time_limit=60)[1] == 7


def test_a_model_that_fails_for_some(tmp_path, cache):
    write(tmp_path, 4)
    (tmp_path / "model.py").write_text(
        "import numpy as np\n\n\ndef decay(t, a, tau, c):\n    if len(t) == 21:\n"
        "        raise ValueError('not today')\n    return a * np.exp(-t / tau) + c\n"
    )
    arguments = (
        "batch",
        "*.csv",
        "-x",
        "t",
        "-y",
        "V",
        "-m",
        "model.py:decay",
        "--trust",
        "--json",
    )
    done = piped(arguments, tmp_path, environment(cache))
    assert done.returncode == 4
    rows = {row["fit"]: row for row in json.loads(done.stdout)}
    assert "model.py:6" in rows["0001.csv"]["message"]
    assert rows["0001.csv"]["outcome"] == "not fitted"
    assert sum(row["outcome"] == "converged" for row in rows.values()) == 3


@pytest.mark.parametrize(
    "arguments, code, message",
    [
        (("nothing*.csv",), 2, "no file matches"),
        (("0000.csv", "--resume"), 1, "--resume needs --table"),
        (("0000.csv", "--table", "fits.xml"), 1, "a table is"),
        (("0000.csv", "--groupby", "tt"), 2, "0000.csv: no column 'tt'; did you mean 't'"),
    ],
)
def test_usage(tmp_path, cache, arguments, code, message):
    write(tmp_path, 1)
    done = piped(("batch", *arguments, *MODEL), tmp_path, environment(cache))
    assert done.returncode == code
    assert message in done.stderr + done.stdout
    assert "Traceback" not in done.stderr
